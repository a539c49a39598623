"""A real toxiproxy on loopback: faults on any TCP link, set through its HTTP API. Tests use it."""

from deploy.native.go_tools import tool
from deploy.native.part import Site
from deploy.native.process import PartSpec, base_env

PORT = 8474


def prepare(site: Site) -> PartSpec:
    """Build toxiproxy once."""
    port = site.port(PORT)
    command = (str(tool("toxiproxy", site.say)), "-host", "127.0.0.1", "-port", str(port))
    address = f"127.0.0.1:{port}"
    return PartSpec("toxiproxy", command, base_env(), address, f"http://{address}/version")
