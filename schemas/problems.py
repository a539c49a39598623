"""What is wrong with a request: each problem with the path of its field and the way out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice

MAX_REPORTED = 100
_LONGEST_NAME = 64
MAX_CANDIDATES = 1000


@dataclass(frozen=True, slots=True)
class Problem:
    """`path` is written as a person would look for it in the document: `tuning.input.urls[1]`."""

    path: str
    message: str

    def as_dict(self) -> dict[str, str]:
        return {"path": self.path, "message": self.message}


@dataclass(slots=True)
class Findings:
    """Collects what the rules find. It stays small however hostile the document is."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def refuse(self, path: str, message: str) -> None:
        if not self.full:
            self.problems.append(Problem(path, message))

    def warn(self, message: str) -> None:
        if len(self.warnings) < MAX_REPORTED and message not in self.warnings:
            self.warnings.append(message)

    @property
    def full(self) -> bool:
        return len(self.problems) >= MAX_REPORTED

    def all_problems(self) -> Iterator[Problem]:
        yield from self.problems
        if self.full:
            yield Problem("", f"no more than {MAX_REPORTED} problems are listed: repair these first")


def nearest(name: object, known: Iterable[str]) -> str | None:
    """The known name that was most likely meant, or None."""
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
        return None
    by_lower = {candidate.lower(): candidate for candidate in islice(known, MAX_CANDIDATES)}
    matches = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[matches[0]] if matches else None


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """A half sentence to append to a message; empty when nothing is near."""
    match = nearest(name, known)
    return f" (did you mean {match!r}?)" if match else ""


def shown(value: object, limit: int = 80) -> str:
    """A value as it may be quoted in a message: escaped, and short whatever was sent."""
    text = _text(value)[: limit + 1]
    text = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
    return text if len(text) <= limit else text[:limit] + "…"


def _text(value: object) -> str:
    """Containers can be huge, and so can numbers: their kind says enough."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list | tuple | set) or value is None:
        return kind(value)
    if isinstance(value, int) and value.bit_length() > 256:
        return "a huge integer"
    return repr(value)


def kind(value: object) -> str:
    """The name that a YAML author has for the type of a value."""
    names = {dict: "a map", list: "a list", str: "text", bool: "true/false", int: "an integer", float: "a number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)
