"""Limits on what a job may fetch. They guard the machine, not the user's taste: every one can be raised."""

from pathlib import Path

from pydantic import Field

from services.common.settings import Settings


class StagingSettings(Settings):
    """Settings of the staging step; sizes are bytes, times are seconds."""

    source_max_bytes: int = Field(default=100 << 30, gt=0, description="All files of a dataset together.")
    source_max_files: int = Field(default=10_000, gt=0, description="Files of a dataset.")
    source_max_ratio: int = Field(default=200, gt=1, description="How many times compressed bytes may expand.")
    source_seconds: float = Field(default=6 * 3600.0, gt=0, description="For all files of a dataset together.")
    source_min_rate: int = Field(default=1024, ge=0, description="Bytes a second that a source must keep up.")
    source_silence: float = Field(default=30.0, gt=0, description="Wait for an answer; window of the minimum rate.")
    source_tries: int = Field(default=3, ge=1, description="Tries in a row, without a byte between, at one source.")
    source_wait: float = Field(default=1.0, ge=0, description="Wait before the second try; doubles after that.")
    source_parallel: int = Field(default=4, ge=1, description="Files fetched at once.")
    source_ca_file: Path | None = Field(default=None, description="CAs of https sources; default: the system's.")
    source_proxies: bool = Field(default=False, description="Use the proxies that HTTP(S)_PROXY and NO_PROXY name.")
    store_patience: float = Field(default=60.0, ge=0, description="Wait for an object store that does not answer.")
