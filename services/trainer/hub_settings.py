"""Where base weights are fetched from, and how much of them."""

from pathlib import Path

from pydantic import Field

from services.trainer.dataset.settings import DatasetSettings


class HubSettings(DatasetSettings):
    """Settings of staging, checking and of the hub."""

    hub_url: str = Field(
        default="https://huggingface.co",
        description="Hub for base weights that LORABUS_MODELS lacks; empty: none. It may lie inside.",
    )
    hub_token_file: Path | None = Field(default=None, description="File with a token of the hub, for gated models.")
    hub_max_bytes: int = Field(default=500 << 30, gt=0, description="Largest base model that is fetched.")
