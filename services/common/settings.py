"""The settings that every service and the command share, read from `LORABUS_*` variables.

A service's own `settings.py` extends `Settings`; nothing else reads the environment (but OpenTelemetry, which
reads its standard `OTEL_*` variables).
"""

import os
import socket
import sys
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from services.common.errors import StartError

EXIT_USAGE = 2


class Settings(BaseSettings):
    """Where things are. Defaults are those of the embedded profile."""

    model_config = SettingsConfigDict(env_prefix="LORABUS_", extra="ignore", frozen=True, populate_by_name=True)

    home: Path = Field(
        default=Path(".lorabus"),
        description="Everything local: store, logs, scratch, models, secrets, volumes.",
    )
    kafka: str = Field(default="127.0.0.1:9092", description="Bootstrap servers, separated by commas.")
    kafka_security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        default="plaintext", description="How to speak to Kafka."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="How to log in, where `kafka_security` is a sasl one."
    )
    kafka_username: str | None = Field(default=None, description="Kafka's user.")
    kafka_password_file: Path | None = Field(default=None, description="A file with the user's password.")
    kafka_ca_file: Path | None = Field(default=None, description="CA of the brokers; default: the system's.")

    store: str = Field(default="", description="The object store: `file:///folder` or `s3://bucket/prefix`.")
    s3_endpoint: str | None = Field(default=None, description="URL of an S3 that is not Amazon's.")
    s3_region: str = Field(default="us-east-1", description="The bucket's region.")
    s3_access_key: str | None = Field(default=None, description="Without one, access is anonymous.")
    s3_secret_key: SecretStr | None = Field(default=None, description="Better in a file, where no process list has it.")
    s3_secret_key_file: Path | None = Field(default=None, description="A file with the secret key.")
    s3_ca_file: Path | None = Field(default=None, description="CA of the S3 endpoint; default: the system's.")

    models: str = Field(default="", description="Base weights: a folder, or a URL for `models/` in the store.")
    secrets_dir: Path = Field(default=Path(), description="`<secret>/.dockerconfigjson`, as Kubernetes mounts secrets.")
    configmaps_dir: Path = Field(default=Path(), description="`<name>/training_config.yaml`, mounted likewise.")
    volumes_dir: Path = Field(default=Path(), description="A `claimName` is the folder of that name in here.")
    host_paths: Annotated[tuple[Path, ...], NoDecode] = Field(
        default=(), description="Roots, separated by commas, that a `hostPath` may lie in."
    )
    source_allow: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="`host[:port]` entries, separated by commas, that may have a private address."
    )
    insecure_registries: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="`host:port` entries, separated by commas, that speak plain HTTP; they may be private."
    )
    registry_ca_file: Path | None = Field(default=None, description="CA of registries; default: the system's.")

    http_addr: str = Field(default="127.0.0.1:8080", description="Where ingest listens, and where the command asks.")
    health_addr: str = Field(
        default="127.0.0.1:0",
        description="Where trainer and publisher answer /healthz, /readyz, /metrics; port 0 takes a free one.",
    )
    lease_seconds: float = Field(default=60.0, gt=0, description="A silent trainer's job is taken over after this.")
    worker: str = Field(
        default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}", description="The process's name in events."
    )
    log_format: Literal["json", "text"] = Field(default="json", description="How log lines on stderr look.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="From where on to log.")

    @field_validator("kafka")
    @classmethod
    def _brokers(cls, value: str) -> str:
        for part in value.split(","):
            check_address(part.strip(), "127.0.0.1:9092", default_port=9092)
        return value

    @field_validator("http_addr", "health_addr")
    @classmethod
    def _one_address(cls, value: str) -> str:
        check_address(value, "127.0.0.1:8080")
        return value

    @field_validator("kafka_security", mode="before")
    @classmethod
    def _as_kafka_spells_it(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

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
            return text_of(self.s3_secret_key_file, "LORABUS_S3_SECRET_KEY_FILE")
        return self.s3_secret_key.get_secret_value() if self.s3_secret_key else None


S = TypeVar("S", bound=Settings)


def settings_of(kind: type[S]) -> S:
    """Read a service's settings; values that cannot be used end the process with their names."""
    try:
        return kind()
    except ValidationError as error:
        print(f"cannot start: {in_words(error)}", file=sys.stderr)  # How logs look is a setting, too.
        raise SystemExit(EXIT_USAGE) from error


def check_address(value: str, example: str, default_port: int | None = None) -> None:
    """Raise `ValueError` for anything but `host:port`; an IPv6 host stands in brackets."""
    try:
        parts = urlsplit(f"//{value}")
        port = default_port if parts.port is None else parts.port
    except ValueError:
        port = None
    if port is None or not parts.hostname or parts.netloc != value or "@" in value:
        raise ValueError(f"must be host:port, such as {example}, not {value!r}")


def text_of(file: Path, variable: str) -> str:
    """Read a file that a variable names, without the blanks around its text."""
    try:
        return file.read_text().strip()
    except OSError as error:
        raise StartError(f"{variable} {file}: {error.strerror}") from error


def in_words(error: ValidationError) -> str:
    """Each value that cannot be used, by its variable."""
    problems = ((item["loc"], item["msg"].removeprefix("Value error, ")) for item in error.errors())
    return "; ".join(f"LORABUS_{str(loc[0]).upper()}: {message}" if loc else message for loc, message in problems)
