"""A real toxiproxy on loopback: faults on any TCP link, set through its HTTP API. Tests use it."""

import json
import uuid
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

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


@dataclass(frozen=True)
class Link:
    """A TCP link through toxiproxy: clients connect to `address`, faults come and go while they are connected."""

    api: str
    name: str
    address: str

    def cut(self) -> None:
        """Close the connections and refuse new ones."""
        _request(self.api, "POST", f"/proxies/{self.name}", {"enabled": False})

    def mend(self) -> None:
        """Take connections again, without any fault."""
        for toxic in _request(self.api, "GET", f"/proxies/{self.name}/toxics"):
            _request(self.api, "DELETE", f"/proxies/{self.name}/toxics/{toxic['name']}")
        _request(self.api, "POST", f"/proxies/{self.name}", {"enabled": True})

    def add(self, kind: str, *, upstream: bool = False, **attributes: int) -> None:
        """Add a fault to what comes from the server, or goes to it: `latency`, `bandwidth`, `reset_peer`..."""
        stream = "upstream" if upstream else "downstream"
        toxic = {"type": kind, "stream": stream, "attributes": attributes}
        _request(self.api, "POST", f"/proxies/{self.name}/toxics", toxic)

    def remove(self) -> None:
        """Close the link for good."""
        _request(self.api, "DELETE", f"/proxies/{self.name}")


@dataclass(frozen=True)
class Toxiproxy:
    """A running toxiproxy by its API's `host:port`."""

    api: str

    def link(self, upstream: str) -> Link:
        """A new link to the server at `host:port`, on a free port of loopback."""
        settings = {"name": uuid.uuid4().hex, "listen": "127.0.0.1:0", "upstream": upstream, "enabled": True}
        made = _request(self.api, "POST", "/proxies", settings)
        return Link(self.api, made["name"], made["listen"])


class ToxiproxyError(Exception):
    """Toxiproxy refused a request; the message has its reason."""


def _request(api: str, method: str, path: str, body: object = None) -> Any:
    with closing(HTTPConnection(api, timeout=10)) as connection:
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
    if response.status >= 300:
        raise ToxiproxyError(f"{method} {path}: {response.status} {answer!r}")
    return json.loads(answer) if answer else None
