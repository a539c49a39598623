"""A real OCI registry (CNCF distribution) on loopback, plain HTTP, deletion enabled: data under `<home>/registry`."""

from pathlib import Path

from deploy.native.go_tools import tool
from deploy.native.part import Site
from deploy.native.process import PartSpec, base_env
from deploy.native.secret_file import kept

PORT = 5000


def prepare(site: Site) -> PartSpec:
    """Build the registry once and write its settings."""
    folder, address = site.folder("registry"), f"127.0.0.1:{site.port(PORT)}"
    settings = folder / "config.yml"
    settings.write_text(config(address, folder / "data"))
    env = {
        **base_env(),
        # It signs the state of an upload: kept, so that an upload survives a restart.
        "REGISTRY_HTTP_SECRET": kept(folder / "http-secret"),
        "OTEL_TRACES_EXPORTER": "none",
    }
    command = (str(tool("registry", site.say)), "serve", str(settings))
    return PartSpec("registry", command, env, address, f"http://{address}/v2/")


def config(address: str, data: Path) -> str:
    """The registry's own settings file."""
    return f"""\
version: 0.1
log:
  level: warn
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: {data}
  delete:
    enabled: true
http:
  addr: {address}
"""
