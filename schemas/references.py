"""Image references, read as Docker and containerd do (distribution/reference, ParseDockerRef)."""

import re
from dataclasses import dataclass

DEFAULT_DOMAIN = "docker.io"
_OLD_DEFAULT_DOMAIN = "index.docker.io"
_MAX_NAME = 255
_MAX_REFERENCE = 1024

_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = re.compile(
    rf"(?P<domain>{_DOMAIN})/(?P<path>{_COMPONENT}(?:/{_COMPONENT})*)"
    rf"(?::(?P<tag>[0-9A-Za-z_][0-9A-Za-z_.-]{{0,127}}))?(?:@(?P<digest>{_DIGEST}))?",
)
_HEX_LENGTH = {"sha256": 64, "sha384": 96, "sha512": 128}


class InvalidReference(ValueError):  # It reads as the sentence that it is.
    """Not an image reference; the message starts with distribution's own words."""


@dataclass(frozen=True, slots=True)
class ImageReference:
    domain: str
    path: str
    tag: str | None
    digest: str | None

    def __str__(self) -> str:
        end = f"@{self.digest}" if self.digest else f":{self.tag}"
        return f"{self.domain}/{self.path}{end}"


def parse_reference(text: str) -> ImageReference:
    """Short names get docker.io/library and :latest; beside a digest the tag is dropped.

    The registry's host is lower-cased, for names of hosts have no case and a job's id must not depend on it. A host
    without dot and port keeps its capitals: they are what tells it from a name.
    """
    if not text:
        raise InvalidReference("invalid reference format: the reference is empty")
    if len(text) > _MAX_REFERENCE:
        raise InvalidReference(f"invalid reference format: longer than {_MAX_REFERENCE} characters")
    if re.fullmatch(r"[a-f0-9]{64}", text):
        raise InvalidReference("invalid reference format: cannot specify 64-byte hexadecimal strings as a name")
    domain, remainder = _split_domain(text)
    name = remainder.partition(":")[0].partition("@")[0]
    if name != name.lower():
        raise InvalidReference(f"invalid reference format: repository name ({name}) must be lowercase")
    match = _REFERENCE.fullmatch(f"{domain}/{remainder}")
    if match is None:
        raise InvalidReference("invalid reference format: expected [registry[:port]/]path[:tag][@digest]")
    return _checked(match)


def _split_domain(text: str) -> tuple[str, str]:
    """The first part is a registry when it could not be a name: it has a dot, a colon or a capital, or is localhost."""
    first, slash, rest = text.partition("/")
    if not slash:
        return DEFAULT_DOMAIN, f"library/{text}"
    if first == _OLD_DEFAULT_DOMAIN:
        first = DEFAULT_DOMAIN
    elif first != "localhost" and not set(".:") & set(first) and first == first.lower():
        return DEFAULT_DOMAIN, text
    if first == DEFAULT_DOMAIN and "/" not in rest:
        rest = f"library/{rest}"
    return first, rest


def _checked(match: re.Match[str]) -> ImageReference:
    domain, path, tag, digest = match["domain"], match["path"], match["tag"], match["digest"]
    if set(".:") & set(domain):
        domain = domain.lower()
    if len(path) > _MAX_NAME:
        raise InvalidReference(
            f"invalid reference format: repository name must not be more than {_MAX_NAME} characters"
        )
    if digest is None:
        return ImageReference(domain, path, tag or "latest", None)
    algorithm, _, value = digest.partition(":")
    if algorithm not in _HEX_LENGTH:
        raise InvalidReference(f"invalid reference format: unsupported digest algorithm {algorithm}")
    if len(value) != _HEX_LENGTH[algorithm] or value != value.lower():
        raise InvalidReference(f"invalid reference format: invalid checksum digest for {algorithm}")
    return ImageReference(domain, path, None, digest)
