"""Credentials as Docker and Kubernetes write them down (`.dockerconfigjson`), and which of them fits an image. Pure.

Lookup goes by host and path, the longest entry first, as containers/image has it; `docker.io` is known by all of its
spellings; a `*` matches within one label of a host, as in Kubernetes. Credential helpers are programs, so they are
never run.
"""

import base64
import binascii
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

import orjson

from schemas.references import ImageReference

DOCKER_HUB = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})
MAX_BYTES = 1024 * 1024
"""The most that a Kubernetes Secret can hold."""


class InvalidDockerConfig(ValueError):
    """Not a Docker config; the text never quotes a value."""


@dataclass(frozen=True, slots=True, repr=False)
class Credential:
    """A user and password, or an identity token that a token server takes in exchange. Never shown."""

    username: str = ""
    password: str = ""
    identity_token: str = ""

    def __repr__(self) -> str:
        return "Credential([hidden])"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every text that must not be repeated, whatever a registry echoes."""
        pair = f"{self.username}:{self.password}".encode()
        encoded = base64.b64encode(pair).decode() if self.password else ""
        return tuple(text for text in (self.password, self.identity_token, encoded) if text)


@dataclass(frozen=True, slots=True)
class DockerConfig:
    """The `auths` of a config: credentials by normalised place (`host[:port][/path]`)."""

    auths: dict[str, Credential]
    helpers: bool = False
    """It names a program that would know more."""

    def find(self, reference: ImageReference) -> Credential | None:
        """The credential of the longest place that the image lies in."""
        hosts = DOCKER_HUB if reference.domain in DOCKER_HUB else {reference.domain.lower()}
        fitting = [place for place in self.auths if _covers(place, hosts, reference.path)]
        best = max(fitting, key=lambda place: (place.count("/"), "*" not in place, len(place)), default=None)
        return None if best is None else self.auths[best]


def parse_docker_config(raw: bytes) -> DockerConfig:
    """Read `.dockerconfigjson` (or the older flat `.dockercfg`); entries that hold nothing are left out."""
    if len(raw) > MAX_BYTES:
        raise InvalidDockerConfig(f"is longer than {MAX_BYTES:,} bytes")
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise InvalidDockerConfig("is not JSON") from None
    if not isinstance(document, dict):
        raise InvalidDockerConfig("must be a JSON object with `auths`")
    auths = document.get("auths", {} if _HELPERS & document.keys() else document)
    if not isinstance(auths, dict) or not all(isinstance(entry, dict) for entry in auths.values()):
        raise InvalidDockerConfig("`auths` must be a map from registries to maps")
    found = {_place(place): _credential(place, entry) for place, entry in auths.items()}
    helpers = bool(document.get("credsStore") or document.get("credHelpers"))
    return DockerConfig({place: one for place, one in found.items() if one is not None}, helpers)


_HELPERS = frozenset({"credHelpers", "credsStore", "HttpHeaders"})
_Field = Literal["username", "password", "identitytoken", "auth"]


def _credential(place: str, entry: dict[str, object]) -> Credential | None:
    username, password = _text(place, entry, "username"), _text(place, entry, "password")
    token, packed = _text(place, entry, "identitytoken"), _text(place, entry, "auth")
    if packed:  # It comes before the two fields, as with Docker and Kubernetes.
        username, password = _unpack(place, packed)
    if not (token or (username and password)):
        return None
    return Credential(username, password, token)


def _unpack(place: str, packed: str) -> tuple[str, str]:
    # As Kubernetes takes it: with line breaks, and without the padding.
    bare = "".join(packed.split()).rstrip("=")
    try:
        username, colon, password = (
            base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True).decode().partition(":")
        )
    except (binascii.Error, UnicodeDecodeError, ValueError):
        colon, username, password = "", "", ""
    if not colon:
        raise InvalidDockerConfig(f"`auth` of {place[:100]!r} must be base64 of user:password")
    # Docker pads what it writes with NUL bytes.
    return username, password.rstrip("\0")


def _text(place: str, entry: dict[str, object], name: _Field) -> str:
    value = entry.get(name) or ""
    if not isinstance(value, str):
        raise InvalidDockerConfig(f"`{name}` of {place[:100]!r} must be text")
    return value


def _place(text: str) -> str:
    bare = text.removeprefix("https://").removeprefix("http://").strip("/")
    bare = bare.removesuffix("/v1").removesuffix("/v2")
    host, slash, path = bare.partition("/")
    return f"{host.lower()}{slash}{path}"


def _covers(place: str, hosts: frozenset[str] | set[str], path: str) -> bool:
    host, _, folder = place.partition("/")
    return any(_same_host(host, wanted) for wanted in hosts) and (not folder or f"{path}/".startswith(f"{folder}/"))


def _same_host(pattern: str, host: str) -> bool:
    if "*" not in pattern:
        return pattern == host
    labels, wanted = pattern.split("."), host.split(".")
    return len(labels) == len(wanted) and all(map(fnmatchcase, wanted, labels))
