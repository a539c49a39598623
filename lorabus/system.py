"""The whole system on this machine as parts of `deploy.native`: its servers, and the three services as processes."""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from deploy.native.part import Part, Site
from deploy.native.process import PartSpec
from deploy.native.stack import PROFILES
from lorabus.home import variables

SERVICES = ("ingest", "trainer", "publisher")
BUCKET = "lorabus"
HTTP_ADDRESS = "127.0.0.1:8080"
PATIENCE = 120.0
"""Seconds until a service must be ready: a trainer imports its libraries first."""


@dataclass
class Ground:
    """What the services stand on, laid once a round: topics, the bucket, the local registry's empty login."""

    environ: Mapping[str, str]
    laid: set[str] = field(default_factory=set)

    def lay(self, site: Site) -> None:
        """Make what is absent; each step may be done again at any time."""
        steps: dict[str, Callable[[Site], None]] = {"kafka": _topics, "minio": _bucket, "registry": _login}
        for name, step in steps.items():
            if name in site.addresses and name not in self.laid:
                step(site)
                self.laid.add(name)


def parts(profile: str, environ: Mapping[str, str] = os.environ) -> tuple[Part, ...]:
    """The profile's servers, then the services, which need all of them."""
    servers = PROFILES[profile]
    ground, needs = Ground(environ), tuple(server.name for server in servers)
    return (*servers, *(Part(name, partial(_service, name, ground), needs, PATIENCE) for name in SERVICES))


def profile_of(home: Path) -> str | None:
    """The profile of what was started in the home; None when nothing was."""
    from deploy.native.records import load_all  # noqa: PLC0415

    names = set(load_all(home))
    if not names:
        return None
    return "stack" if names & {"minio", "registry", "zipkin"} else "embedded"


def _service(name: str, ground: Ground, site: Site) -> PartSpec:
    ground.lay(site)
    host, preferred = "127.0.0.1", 0
    if name == "ingest":
        host, _, port = (ground.environ.get("LORABUS_HTTP_ADDR") or HTTP_ADDRESS).rpartition(":")
        preferred = int(port) if port.isdigit() else 0
    address = f"{host}:{site.port(preferred)}"
    return PartSpec(
        name,
        (sys.executable, "-m", f"services.{name}"),
        service_env(name, address, site.home, site.addresses, ground.environ),
        address,
        f"http://{address}/readyz",
    )


def service_env(
    name: str, address: str, home: Path, addresses: Mapping[str, str], environ: Mapping[str, str]
) -> dict[str, str]:
    """The user's environment, with the addresses of the home's own servers in place of any other."""
    servers = {part: place for part, place in addresses.items() if part not in SERVICES}
    found = variables(home, servers)
    listening = "LORABUS_HTTP_ADDR" if name == "ingest" else "LORABUS_HEALTH_ADDR"
    registries = [environ.get("LORABUS_INSECURE_REGISTRIES", ""), found.get("LORABUS_INSECURE_REGISTRIES", "")]
    return {
        **environ,
        **found,
        "LORABUS_INSECURE_REGISTRIES": ",".join(filter(None, registries)),
        listening: address,
    }


def _topics(site: Site) -> None:
    from services.common.kafka.topics import apply_topics  # noqa: PLC0415 - Kafka's client is slow to import.
    from services.common.settings import Settings  # noqa: PLC0415

    asyncio.run(apply_topics(Settings(kafka=site.addresses["kafka"], kafka_security="plaintext")))


def _bucket(site: Site) -> None:
    from deploy.native.minio import Server, credentials  # noqa: PLC0415

    Server(site.addresses["minio"], credentials(site.home)).create_bucket(BUCKET)


def _login(site: Site) -> None:
    """The local registry asks for no login, but a Workspace always names a push secret."""
    secret = site.home / "secrets" / "registry" / ".dockerconfigjson"
    if not secret.exists():
        secret.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        secret.write_text('{"auths":{}}\n')
