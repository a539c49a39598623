"""The caller's settings: those that every service shares, and the token for ingest's HTTP API."""

from pathlib import Path

from pydantic import Field, ValidationError

from lorabus.faults import BadUsage
from services.common.settings import Settings, in_words


class CallerSettings(Settings):
    """Where the servers are, and how the caller proves who it is."""

    api_token_file: Path | None = Field(default=None, description="A file with the bearer token for ingest.")

    def api_token(self) -> str | None:
        """Read the bearer token; None when none is needed."""
        if self.api_token_file is None:
            return None
        try:
            return self.api_token_file.read_text().strip()
        except OSError as error:
            raise BadUsage(f"LORABUS_API_TOKEN_FILE {self.api_token_file}: {error.strerror}") from error


def read_settings() -> CallerSettings:
    """Read the environment; a value that cannot be used is named with its variable."""
    try:
        return CallerSettings()
    except ValidationError as error:
        raise BadUsage(in_words(error)) from error
