"""What a YAML 1.1 scalar means."""

import math
import re

import yaml

from schemas.document_limits import parse_integer


class _Merge:
    """The key `<<`, which copies another map's keys."""

    def __str__(self) -> str:
        return "<<"


MERGE = _Merge()

_PREFIX = "tag:yaml.org,2002:"
_BOOLEANS = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
_KINDS = {"null", "bool", "int", "float", "merge", "timestamp", "value"}
# Nothing longer is looked at as a number; PyYAML's patterns take seconds for megabytes of digits.
_LONGEST_NUMBER = 400
_BASE_60 = re.compile(r"[-+]?[0-9_]+(?::[0-9.]+)+")
_RESOLVERS: dict[str, list[tuple[str, re.Pattern[str]]]] = yaml.SafeLoader.yaml_implicit_resolvers


def scalar(text: str, tag: str | None, *, plain: bool) -> object:
    """`plain` is whether the parser leaves the meaning to us: neither quoted nor tagged."""
    if plain:
        tag = _implicit_tag(text) if len(text) <= _LONGEST_NUMBER else None
    if tag is None or tag in ("!", f"{_PREFIX}str"):
        return text
    kind = tag.removeprefix(_PREFIX)
    if kind not in _KINDS:
        raise ValueError(f"the tag {tag[:80]!r} is not taken; only plain data is")
    return _typed(text, kind)


def _implicit_tag(text: str) -> str | None:
    for tag, pattern in _RESOLVERS.get(text[:1], ()):
        if pattern.match(text):
            return tag
    return None


def _typed(text: str, kind: str) -> object:
    match kind:
        case "null":
            return None
        case "bool" if text.lower() in _BOOLEANS:
            return _BOOLEANS[text.lower()]
        case "int":
            return text if _BASE_60.fullmatch(text) else _integer(text)
        case "float":
            return text if _BASE_60.fullmatch(text) else _float(text)
        case "merge":
            return MERGE
        case "timestamp" | "value":
            return text
    raise ValueError(f"{text[:80]!r} is not of the kind that the tag !!{kind[:80]} asks for")


def _integer(text: str) -> int:
    digits = text.replace("_", "").lower()
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    if digits.startswith("0b"):
        return sign * parse_integer(digits[2:], 2)
    if digits.startswith("0x"):
        return sign * parse_integer(digits[2:], 16)
    return sign * parse_integer(digits, 8 if digits.startswith("0") and len(digits) > 1 else 10)


def _float(text: str) -> float:
    number = text.replace("_", "").lower()
    if number.lstrip("+-") == ".inf":
        return -math.inf if number.startswith("-") else math.inf
    return math.nan if number == ".nan" else float(number)
