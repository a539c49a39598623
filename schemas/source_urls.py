"""Where a data set may be fetched from: http(s), and nothing that is not reachable from everywhere.

No name is looked up here. Whoever connects asks `refused_address` again, with the address that is really used.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

MAX_URL = 8192
_DEFAULT_PORTS = {"http": 80, "https": 443}

INVALID = "invalid data source URL"
NOT_HTTP = "data source URL must use HTTP or HTTPS"
LOCAL_NAME = "data source URL must not target a local or metadata endpoint"
LOCAL_ADDRESS = "data source URL must not target a loopback, private, or link-local address"

_METADATA_NAMES = {"metadata.google.internal", "metadata.google", "instance-data.ec2.internal"}
_LOCAL_SUFFIXES = ("localhost", "localdomain", "local", "internal", "svc")

# IANA's special-purpose registries: what is not globally reachable, and the relays into it (6to4's anycast).
_REFUSED_V4 = tuple(
    IPv4Network(network)
    for network in [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    ]
)
# Of IPv6 only 2000::/3 is handed out. Inside it: protocol assignments with Teredo, documentation, 6to4. NAT64,
# IPv4-mapped and IPv4-compatible addresses lie outside.
_GLOBAL_V6 = IPv6Network("2000::/3")
_REFUSED_V6 = tuple(IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<rest>[^#]*)(?:#.*)?")
_PIN = re.compile(r"sha256[=:]([0-9a-fA-F]{64})")
_PORT = re.compile(r"(?P<host>.*?)(?::(?P<port>[0-9]*))?")
_HOST_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")


class RefusedUrl(ValueError):  # It reads as the sentence that it is.
    """Why a URL is not taken; the message starts with KAITO's words."""


@dataclass(frozen=True, slots=True)
class SourceUrl:
    """`host` is lower-cased, in ASCII, without brackets, zone or trailing dot."""

    scheme: str
    host: str
    port: int
    rest: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.rest}"


def parse_source_url(text: str, *, allow: Collection[str] = ()) -> SourceUrl:
    """`allow` are the `host` and `host:port` entries of LORABUS_SOURCE_ALLOW. Fragments are cut."""
    url = _split(text)
    if not is_allowed(url.host, url.port, allow):
        _refuse_host(url.host)
    return url


def split_pin(text: str) -> tuple[str, str | None]:
    """The URL without its fragment, and the digest (`sha256:<hex>`) that the fragment pins its bytes to."""
    url, _, fragment = text.partition("#")
    match = _PIN.fullmatch(fragment)
    if fragment.lower().startswith("sha256") and match is None:
        raise RefusedUrl(f"{INVALID}: #{fragment[:80]} is no pin; write #sha256= and 64 hex digits")
    return url, f"sha256:{match[1].lower()}" if match else None


def is_allowed(host: str, port: int, allow: Collection[str]) -> bool:
    bracketed = f"[{host}]" if ":" in host else host
    return not {host, bracketed, f"{bracketed}:{port}"}.isdisjoint(entry.lower() for entry in allow)


def parse_allow(text: str) -> tuple[str, ...]:
    """The entries of LORABUS_SOURCE_ALLOW, which stand between commas or blanks."""
    return tuple(entry.lower() for entry in re.split(r"[,\s]+", text) if entry)


def refused_address(address: IPv4Address | IPv6Address) -> str | None:
    """What stands against connecting to this address; None when it is globally reachable."""
    if isinstance(address, IPv4Address):
        networks: Iterable[IPv4Network | IPv6Network] = _REFUSED_V4
    elif address not in _GLOBAL_V6:
        return f"{LOCAL_ADDRESS}: {address} is not globally reachable"
    else:
        networks = _REFUSED_V6
    inside = next((network for network in networks if address in network), None)
    return f"{LOCAL_ADDRESS}: {address} is in {inside}, which is not globally reachable" if inside else None


def _split(text: str) -> SourceUrl:
    if len(text) > MAX_URL:
        raise RefusedUrl(f"{INVALID}: longer than {MAX_URL} characters")
    if "\\" in text or any(char.isspace() or not char.isprintable() for char in text):
        raise RefusedUrl(f"{INVALID}: it holds blanks, backslashes or control characters; write a blank as %20")
    match = _URL.fullmatch(text)
    if match is None or not match["authority"]:
        raise RefusedUrl(f"{INVALID}: expected https://host/path")
    scheme = match["scheme"].lower()
    if scheme not in _DEFAULT_PORTS:
        raise RefusedUrl(f"{NOT_HTTP}, not {scheme}")
    if "@" in match["authority"]:
        raise RefusedUrl(f"{INVALID}: user and password do not belong in a URL; use a signed URL or an image")
    rest = match["rest"]
    if _BAD_ESCAPE.search(rest.partition("?")[0]):
        raise RefusedUrl(f"{INVALID}: a % must be followed by two hexadecimal digits; write it as %25")
    if not rest.startswith("/"):
        rest = f"/{rest}"
    host, port = _host_and_port(match["authority"], _DEFAULT_PORTS[scheme])
    return SourceUrl(scheme, host, port, rest)


def _host_and_port(authority: str, default_port: int) -> tuple[str, int]:
    match = _PORT.fullmatch(authority)
    if match is None:
        raise RefusedUrl(f"{INVALID}: expected host or host:port")
    port = match["port"]
    if port and (len(port) > 5 or not 0 < int(port) < 65536):
        raise RefusedUrl(f"{INVALID}: the port must be 1 to 65535")
    return _canonical_host(match["host"]), int(port) if port else default_port


def _canonical_host(host: str) -> str:
    if host.startswith("["):
        return _ipv6(host)
    if not host.isascii():
        host = _to_ascii(host)
    host = host.lower().removesuffix(".")
    address = _any_ipv4(host)
    if address is not None:
        return str(address)
    labels = host.split(".")
    if len(host) > 253 or not all(_HOST_LABEL.fullmatch(label) for label in labels):
        raise RefusedUrl(f"{INVALID}: the host is not a name or address")
    return host


def _ipv6(host: str) -> str:
    """An address in brackets, its zone cut. IPv4-mapped ones are told apart later by lying outside 2000::/3."""
    if not host.endswith("]"):
        raise RefusedUrl(f"{INVALID}: the bracket around the address is not closed")
    try:
        return str(IPv6Address(host[1:-1].partition("%")[0]))
    except ValueError as error:
        raise RefusedUrl(f"{INVALID}: the host is not an IPv6 address") from error


def _to_ascii(host: str) -> str:
    """Internationalised names, and digits and dots in other scripts, which resolvers fold to plain ones."""
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise RefusedUrl(f"{INVALID}: the host is not an internationalised name") from error


def _any_ipv4(host: str) -> IPv4Address | None:
    """Whatever inet_aton takes for an address: one to four parts, each decimal, octal or hexadecimal."""
    parts = host.split(".")
    if not _NUMBER.fullmatch(parts[-1]):
        return None
    try:
        return IPv4Address(_joined([_number(part) for part in parts]))
    except ValueError as error:
        raise RefusedUrl(f"{INVALID}: the host ends in a number but is not an IPv4 address") from error


def _joined(numbers: list[int]) -> int:
    """The last part fills all bytes that the others leave."""
    *first, last = numbers
    if len(first) > 3 or any(number > 255 for number in first) or last >= 256 ** (4 - len(first)):
        raise ValueError(numbers)
    return sum(number << 8 * (3 - place) for place, number in enumerate(first)) + last


def _number(part: str) -> int:
    if not _NUMBER.fullmatch(part) or len(part) > 16:
        raise ValueError(part)
    if part[:2] in ("0x", "0X"):
        return int(part[2:] or "0", 16)
    return int(part, 8 if part.startswith("0") else 10)


def _refuse_host(host: str) -> None:
    if ":" in host or _NUMBER.fullmatch(host.rpartition(".")[2]):
        reason = refused_address(IPv6Address(host) if ":" in host else IPv4Address(host))
        if reason:
            raise RefusedUrl(reason)
        return
    labels = host.split(".")
    if host in _METADATA_NAMES or labels[-1] in _LOCAL_SUFFIXES or host.endswith("cluster.local"):
        raise RefusedUrl(f"{LOCAL_NAME}: {host} means something only where it is looked up")
    if len(labels) == 1:
        raise RefusedUrl(f"{LOCAL_NAME}: {host} has no domain; write the whole name")
