"""How strict the check of rows is, and what it may take."""

from pydantic import Field

from services.trainer.stage.settings import StagingSettings


class DatasetSettings(StagingSettings):
    """Settings of staging and checking."""

    dataset_bad_share: float = Field(default=0.05, ge=0, le=1, description="Share of bad rows that are only dropped.")
    dataset_problem_limit: int = Field(default=100, ge=1, description="Bad rows told in full; all are counted.")
