"""Where a registry answers, and which other addresses it may send us to. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from services.common.registry.docker_config import DOCKER_HUB
from services.common.registry.errors import RegistryRefused, plain

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """A registry's own address. Credentials go nowhere else but to the token server that it names."""

    host: str
    insecure: frozenset[str] = frozenset()

    @classmethod
    def of(cls, domain: str, insecure: Collection[str] = ()) -> "Origin":
        """The origin of a reference's domain; `insecure` lists the `host:port` that are spoken to over plain HTTP."""
        return cls(domain, frozenset(entry.lower() for entry in insecure))

    @property
    def url(self) -> str:
        """The address without a path."""
        host = "registry-1.docker.io" if self.host in DOCKER_HUB else self.host
        return f"{'http' if host.lower() in self.insecure else 'https'}://{host}"

    def owns(self, url: str) -> bool:
        """True when the address is the registry itself, so that it may see our credential."""
        return _key(url) == _key(self.url)

    def follow(self, location: str, base: str) -> str:
        """The absolute address of a `Location` or a realm; plain HTTP needs an entry in the list."""
        try:
            target = urljoin(base, location)
            parts = urlsplit(target)
            secure, named = parts.scheme == "https", f"{parts.hostname}:{parts.port or _PORTS.get(parts.scheme, 0)}"
        except ValueError:
            raise RegistryRefused(self.host, f"sends to {plain(location)!r}, which is no address") from None
        if not parts.hostname or parts.username is not None:
            raise RegistryRefused(self.host, f"sends to {plain(location)!r}, which is no address")
        if secure or (parts.scheme == "http" and {named, parts.netloc.lower()} & self.insecure):
            return target
        raise RegistryRefused(
            self.host,
            f"sends to {plain(parts.scheme, 20)}://{plain(parts.netloc)} without TLS; if that is meant, add it to "
            "LORABUS_INSECURE_REGISTRIES",
        )


def _key(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
