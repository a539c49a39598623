"""The settings that every service and the command share, read from `LORABUS_*` variables.

A service's own `settings.py` extends `Settings`; nothing else reads the environment (but OpenTelemetry, which
reads its standard `OTEL_*` variables).
"""

import os
import socket
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Settings(BaseSettings):
    """Where things are. Defaults are those of the embedded profile."""

    model_config = SettingsConfigDict(env_prefix="LORABUS_", extra="ignore", frozen=True, populate_by_name=True)

    home: Path = Path(".lorabus")
    kafka: str = Field(default="127.0.0.1:9092", description="Bootstrap servers, separated by commas.")
    kafka_security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_username: str | None = None
    kafka_password_file: Path | None = None
    kafka_ca_file: Path | None = None

    store: str = ""
    s3_endpoint: str | None = None
    s3_region: str = "us-east-1"
    s3_access_key: str | None = None
    s3_secret_key: SecretStr | None = None
    s3_secret_key_file: Path | None = None
    s3_ca_file: Path | None = None

    models: str = ""
    secrets_dir: Path = Path()
    configmaps_dir: Path = Path()
    volumes_dir: Path = Path()
    host_paths: Annotated[tuple[Path, ...], NoDecode] = ()
    source_allow: Annotated[tuple[str, ...], NoDecode] = ()
    insecure_registries: Annotated[tuple[str, ...], NoDecode] = ()
    registry_ca_file: Path | None = Field(default=None, description="CA of registries; default: the system's.")

    http_addr: str = "127.0.0.1:8080"
    health_addr: str = Field(
        default="127.0.0.1:0",
        description="Where trainer and publisher answer /healthz, /readyz, /metrics; port 0 takes a free one.",
    )
    lease_seconds: float = Field(default=60.0, gt=0)
    worker: str = Field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}")
    log_format: Literal["json", "text"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("host_paths", "source_allow", "insecure_registries", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @model_validator(mode="before")
    @classmethod
    def _below_home(cls, values: dict[str, object]) -> dict[str, object]:
        home = Path(str(values.get("home") or ".lorabus")).absolute()
        below = {"secrets_dir": "secrets", "configmaps_dir": "configmaps", "volumes_dir": "volumes"}
        given = {name: value for name, value in values.items() if value not in (None, "")}
        return {
            "store": f"file://{home / 'store'}",
            "models": str(home / "models"),
            **{name: home / folder for name, folder in below.items()},
            **given,
            "home": home,
        }

    def s3_secret(self) -> str | None:
        """Read the S3 secret key from its file or variable; None for anonymous access."""
        if self.s3_secret_key_file is not None:
            return self.s3_secret_key_file.read_text().strip()
        return self.s3_secret_key.get_secret_value() if self.s3_secret_key else None
