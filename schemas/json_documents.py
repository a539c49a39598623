"""JSON that nobody vouches for: one value, each key once, text that is text, bounded in depth and number of values."""

import json
import re
from typing import NoReturn

from schemas.document_limits import MAX_COST, MAX_DEPTH, NOT_TEXT, Budget, DocumentError, cost_of, position

_ESCAPED_CONTROL = re.compile(r"\\u(?:00[01][0-9a-fA-F]|007[fF]|[dD][89a-fA-F][0-9a-fA-F]{2})")
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')

# Of 400 decimal digits; Python itself refuses to read more than 4300.
_MAX_BITS = 1330
_TOO_DEEP = f"nested more than {MAX_DEPTH} levels deep"


class NotJson(DocumentError):
    """The text is not JSON at all; it may still be YAML."""


class _DuplicateKey(ValueError):
    pass


def load_json(text: str, *, name: str, max_cost: int = MAX_COST) -> object:
    try:
        value: object = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise NotJson(error.msg, name=name, line=error.lineno, column=error.colno) from None
    except RecursionError:
        raise _placed(_TOO_DEEP, _deepest(text), text, name) from None
    except _DuplicateKey as error:
        key = str(error)
        raise _placed(f"the key {key[:80]!r} stands twice", _second(text, key), text, name) from None
    except ValueError as error:
        message = "a number of more than 400 digits" if "digits" in str(error) else str(error)
        raise DocumentError(message, name=name) from None
    _check(value, text, name, Budget(max_cost))
    return value


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        raise _DuplicateKey(next(key for key, _ in pairs if key in seen or seen.add(key)))  # type: ignore[func-returns-value]
    return made


def _no_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")


def _check(value: object, text: str, name: str, budget: Budget) -> None:
    """Depth, numbers and text of everything in a value, level by level, for it may be too deep for recursion."""
    level: list[object] = [value]
    depth = 0
    while level:
        depth += 1
        try:
            budget.spend(len(level))
            letters = "".join([item for item in level if type(item) is str])
            budget.spend(cost_of(letters))
        except ValueError as error:
            raise DocumentError(str(error), name=name) from None
        if NOT_TEXT.search(letters):
            raise _placed(*_first_control(text, letters), text, name)
        if any(type(item) is int and item.bit_length() > _MAX_BITS for item in level):
            raise DocumentError("a number of more than 400 digits", name=name)
        containers = [item for item in level if type(item) is dict or type(item) is list]
        if containers and depth > MAX_DEPTH:
            raise _placed(_TOO_DEEP, _deepest(text), text, name)
        level = []
        for item in containers:
            level.extend(item)
            if isinstance(item, dict):
                level.extend(item.values())


def _placed(message: str, offset: int, text: str, name: str) -> DocumentError:
    line, column = position(text, offset)
    return DocumentError(message, name=name, line=line, column=column)


def _first_control(text: str, letters: str) -> tuple[str, int]:
    """What it is and where it stands, as an escape, for as itself it would not have been parsed."""
    found = NOT_TEXT.search(letters)
    escape = _ESCAPED_CONTROL.search(text)
    message = f"the control character U+{ord(found[0]):04X} is not text" if found else "a control character"
    return message, escape.start() if escape else 0


def _second(text: str, key: str) -> int:
    places = re.finditer(re.escape(json.dumps(key, ensure_ascii=False)) + r"\s*:", text)
    next(places, None)
    second = next(places, None)
    return second.start() if second else 0


def _deepest(text: str) -> int:
    depth = 0
    for token in _STRUCTURE.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if depth > MAX_DEPTH:
            return token.start()
    return 0
