"""`WWW-Authenticate` headers, read as RFC 9110 section 11.6.1 has them. Pure."""

import re
from dataclasses import dataclass, field

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAM = re.compile(rf'\s*(?:,\s*)?({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_WORD}))(?=\s*(?:,|$))')
_SCHEME = re.compile(rf"\s*(?:,\s*)?({_WORD})(?=\s|,|$)")
MAX_HEADER = 8 * 1024


@dataclass(frozen=True, slots=True)
class Challenge:
    """A way to prove who one is; names are in lower case."""

    scheme: str
    params: dict[str, str] = field(default_factory=dict)


def parse_challenges(header: str) -> list[Challenge]:
    """The challenges of one header, in order; what cannot be read ends the list, nothing is raised."""
    found: list[Challenge] = []
    header, position = header[:MAX_HEADER], 0
    while match := _SCHEME.match(header, position):
        params, position = _params(header, match.end())
        found.append(Challenge(match[1].lower(), params))
    return found


def _params(header: str, position: int) -> tuple[dict[str, str], int]:
    params: dict[str, str] = {}
    while match := _PARAM.match(header, position):
        quoted, bare = match[2], match[3]
        params.setdefault(match[1].lower(), bare if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
        position = match.end()
    return params, position


def choose(headers: list[str]) -> Challenge | None:
    """The challenge that we can meet: a bearer token with a realm before a basic password."""
    known = [challenge for header in headers for challenge in parse_challenges(header)]
    bearer = [one for one in known if one.scheme == "bearer" and one.params.get("realm")]
    basic = [one for one in known if one.scheme == "basic"]
    return next(iter([*bearer, *basic]), None)
