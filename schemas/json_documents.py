"""JSON that nobody vouches for: one value, each key once, text that is text, bounded in depth and number of values."""

import json
import re
from collections.abc import Callable
from typing import NoReturn

from schemas.document_limits import (
    MAX_DEPTH,
    Budget,
    DocumentError,
    check_depth,
    check_text,
    cost_of,
    parse_integer,
    position,
)

_ESCAPED_CONTROL = re.compile(r"\\u(?:00[01][0-9a-fA-F]|007[fF]|[dD][89a-fA-F][0-9a-fA-F]{2})")
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')


class NotJson(DocumentError):
    """The text is not JSON at all; it may still be YAML."""


class _DuplicateKey(ValueError):
    pass


def load_json(text: str, *, name: str) -> object:
    try:
        value: object = json.loads(
            text, object_pairs_hook=_unique_keys, parse_int=parse_integer, parse_constant=_no_constant
        )
    except json.JSONDecodeError as error:
        raise NotJson(error.msg, name=name, line=error.lineno, column=error.colno) from None
    except RecursionError:
        raise _placed(f"nested more than {MAX_DEPTH} levels deep", text, name, _too_deep(text)) from None
    except _DuplicateKey as error:
        key = str(error)
        raise _placed(f"the key {key[:80]!r} stands twice", text, name, _second(text, key)) from None
    except ValueError as error:
        raise DocumentError(str(error), name=name) from None
    _check(value, text, name)
    return value


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        raise _DuplicateKey(next(key for key, _ in pairs if key in seen or seen.add(key)))  # type: ignore[func-returns-value]
    return made


def _no_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")


def _check(value: object, text: str, name: str) -> None:
    """Depth, number and text of everything in a value, without recursion."""
    budget = Budget()
    level: list[object] = [value]
    depth = 0
    locate: Callable[[str], int] = _first_control
    try:
        while level:
            below: list[object] = []
            for item in level:
                if isinstance(item, str):
                    budget.spend(cost_of(item))
                    check_text(item)
                    continue
                budget.spend(1)
                if isinstance(item, dict):
                    below += item.keys()
                    below += item.values()
                elif isinstance(item, list):
                    below += item
            level = below
            depth += 1
            if any(isinstance(item, dict | list) for item in level):
                locate = _too_deep
                check_depth(depth)
                locate = _first_control
    except ValueError as error:
        raise _placed(str(error), text, name, locate(text)) from None


def _placed(message: str, text: str, name: str, offset: int) -> DocumentError:
    line, column = position(text, offset)
    return DocumentError(message, name=name, line=line, column=column)


def _first_control(text: str) -> int:
    found = _ESCAPED_CONTROL.search(text)
    return found.start() if found else 0


def _second(text: str, key: str) -> int:
    places = re.finditer(re.escape(json.dumps(key, ensure_ascii=False)) + r"\s*:", text)
    next(places, None)
    second = next(places, None)
    return second.start() if second else 0


def _too_deep(text: str) -> int:
    depth = 0
    for token in _STRUCTURE.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if depth > MAX_DEPTH:
            return token.start()
    return 0
