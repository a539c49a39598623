"""What ingest can be told, beside what every service shares."""

import ipaddress
from pathlib import Path

from pydantic import Field

from services.common.settings import Settings

MAX_BODY_BYTES = 1024 * 1024


class IngestSettings(Settings):
    """Settings of ingest."""

    api_tokens_file: Path | None = Field(default=None, description="One bearer token a line; # starts a comment.")
    node_auto_provisioning: bool = Field(
        default=True, description="KAITO's: when true, v1beta1 requires resource.instanceType; when false, forbids it."
    )
    trace_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s{}]*\{trace_id\}[^\s{}]*$",
        description="Where people look at a trace; {trace_id} stands for its id.",
    )
    log_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s{}]*\{trace_id\}[^\s{}]*$",
        description="Where people look at the logs of a trace; without it the page shows this machine's own logs.",
    )
    dead_letter_share: float = Field(
        default=0.5, gt=0, le=1, description="Past this share of the last 1,000 records ingest stops."
    )
    dead_letter_minimum: int = Field(default=100, ge=1, description="Records seen before the share counts.")

    webhooks_file: Path | None = Field(
        default=None,
        description="YAML list of endpoints that events are posted to; see docs/subscribe.md.",
    )
    webhooks_timeout_seconds: float = Field(default=20.0, gt=0, description="Longest wait for an endpoint's answer.")
    webhooks_retry_seconds: float = Field(
        default=5.0,
        gt=0,
        description="Wait after a first failure; three times as long after each more, up to 1 h.",
    )
    webhooks_give_up_seconds: float = Field(
        default=3 * 24 * 3600.0,
        ge=0,
        description="Age at which a failing event is given up; Kafka has it for 7 days.",
    )

    @property
    def read_model_folder(self) -> Path:
        """Where the SQLite files of this machine's ingest processes lie."""
        return self.home / "ingest"

    def http_host_and_port(self) -> tuple[str, int]:
        """Split `LORABUS_HTTP_ADDR`."""
        host, _, port = self.http_addr.rpartition(":")
        return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
