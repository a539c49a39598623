"""What a trainer can be told, beside what every service shares."""

from pathlib import Path

from pydantic import Field

from services.common.layers.plan import Compression
from services.trainer.hub_settings import HubSettings


class TrainerSettings(HubSettings):
    """Settings of the trainer."""

    max_attempts: int = Field(default=3, ge=1, description="Attempts of a job before AttemptsExhausted.")
    retry_seconds: float = Field(default=5.0, ge=0, description="Wait before the second attempt; doubles after that.")
    scratch: Path | None = Field(default=None, description="Where jobs work; default: <home>/scratch.")
    cpu_threads: int | None = Field(default=None, ge=1, description="Threads of a training on CPU; default: all cores.")
    job_memory_bytes: int | None = Field(
        default=None,
        ge=1 << 28,
        description="Most memory of a training on CPUs; default: nine tenths of the container's.",
    )
    prepare_ahead: bool = Field(
        default=True, description="While a job trains, stage and tokenise the data of a waiting one."
    )
    job_seconds: float | None = Field(default=None, gt=0, description="Longest run of one attempt; default: no limit.")
    layer_compression: Compression = Field(
        default="gzip", description="As the publisher is set: the layer's digests are found out while it is stored."
    )
    grace_seconds: float = Field(default=25.0, gt=0, description="Time to save a checkpoint after SIGTERM.")

    @property
    def scratch_folder(self) -> Path:
        """Where jobs work; emptied when a trainer starts a job and when it ends."""
        return self.scratch or self.home / "scratch"
