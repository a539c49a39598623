"""A value as a field wants it, or why it cannot be.

The field is described by the part of JSON schema that `config_fields.json` uses. KAITO writes every value as text and
reads it back, so text that says the right thing is taken: "8" for 8, "yes" for true, "q_proj, v_proj" for a list.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from schemas.document_limits import DocumentError
from schemas.json_documents import NotJson, load_json
from schemas.problems import did_you_mean, kind, shown

Schema = Mapping[str, Any]

TRUE, FALSE = {"yes", "true", "t", "y", "on", "1"}, {"no", "false", "f", "n", "off", "0"}
"""In lower case, what pydantic takes for either."""
_MAX_ITEMS = 10_000
_MAX_DEPTH = 16
_MAX_INT = 2**63


def coerce(schema: Schema, value: object) -> object:
    """Raises ValueError with a half sentence that says what would be right."""
    if "anyOf" in schema:
        return _any_of(schema["anyOf"], value)
    if "const" in schema or "enum" in schema:
        return _one_of(schema.get("enum") or [schema["const"]], value)
    if "type" not in schema:
        return _plain(value)
    return _READERS[schema["type"]](schema, value)


def _any_of(schemas: list[Schema], value: object) -> object:
    """The first that takes it. What is said of a value that none takes leaves null out: nobody means to write it."""
    reasons = []
    for schema in schemas:
        try:
            return coerce(schema, value)
        except ValueError as error:
            if schema.get("type") != "null":
                reasons.append(str(error))
    raise ValueError(" or ".join(dict.fromkeys(reasons)))


def _one_of(choices: list[object], value: object) -> object:
    """YAML 1.1 reads an unquoted `no` as false."""
    if value is False and "no" in choices:
        return "no"
    if not isinstance(value, str) or value not in choices:
        names = ", ".join(map(str, choices))
        raise ValueError(
            f"expected {'one of ' if len(choices) > 1 else ''}{names}{did_you_mean(value, map(str, choices))}"
        )
    return value


def _boolean(_: Schema, value: object) -> bool:
    text = f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, str | int) else ""
    if text not in TRUE | FALSE:
        raise ValueError("expected true or false")
    return text in TRUE


def _integer(schema: Schema, value: object) -> int:
    number = _read(float, value) if isinstance(value, str) else value
    if isinstance(number, float) and number.is_integer() and abs(number) < _MAX_INT:
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int) or not _within(schema, number):
        raise ValueError(f"expected an integer{_bounds(schema)}")
    return number


def _number(schema: Schema, value: object) -> float:
    number = _read(float, value) if isinstance(value, str) else value
    if isinstance(number, int) and not isinstance(number, bool) and abs(number) < _MAX_INT:
        number = float(number)
    if not isinstance(number, float) or not math.isfinite(number) or not _within(schema, number):
        raise ValueError(f"expected a number{_bounds(schema)}")
    return number


def _read(convert: Callable[[str], float], text: object) -> float | None:
    try:
        return convert(str(text)[:400])
    except ValueError:
        return None


def _within(schema: Schema, number: float) -> bool:
    return (
        schema.get("ge", -math.inf) <= number <= schema.get("le", math.inf)
        and schema.get("gt", -math.inf) < number < schema.get("lt", math.inf)
        and abs(number) < _MAX_INT
    )


def _bounds(schema: Schema) -> str:
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    said = [f"{word} {schema[bound]}" for bound, word in words.items() if bound in schema]
    return f" of {' and '.join(said)}" if said else ""


def _string(schema: Schema, value: object) -> str:
    text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if not isinstance(text, str):
        raise ValueError(f"expected text, not {kind(value)}; put it in quotes")  # noqa: TRY004  # One kind for all.
    if len(text) > schema.get("maxLength", len(text)):
        raise ValueError(f"expected at most {schema['maxLength']} characters")
    if "pattern" in schema and not re.search(schema["pattern"], text):
        raise ValueError("expected names of letters, digits, '_', '-' and '.', and no patterns")
    return text


def _array(schema: Schema, value: object) -> list[object]:
    items: object = value
    if isinstance(value, str):
        items = [word.strip() for word in value.split(",")]
    elif isinstance(value, int) and not isinstance(value, bool):
        items = [value]
    if not isinstance(items, list | tuple) or len(items) > _MAX_ITEMS:
        raise ValueError(f"expected a list, not {kind(value)}")
    return [coerce(schema.get("items", {}), item) for item in items]


def _object(schema: Schema, value: object) -> dict[str, object]:
    """A map, or a map as JSON text, which the libraries take too."""
    found = _from_json(value) if isinstance(value, str) else value
    if not isinstance(found, Mapping) or not all(isinstance(key, str) for key in found):
        raise ValueError(f"expected a map, not {kind(value)}")
    patterns: Mapping[str, Schema] = schema.get("patternProperties", {})
    made: dict[str, object] = {}
    for key, item in found.items():
        allowed = [each for pattern, each in patterns.items() if re.search(pattern, key)]
        if patterns and not allowed:
            raise ValueError(f"expected names of modules as keys, not {shown(key)!r}")
        made[key] = coerce(allowed[0] if allowed else {}, item)
    return made


def _from_json(text: str) -> object:
    try:
        return load_json(text, name="text")
    except NotJson:
        return text
    except DocumentError as error:
        raise ValueError(error.message) from None


def _plain(value: object, depth: int = 0) -> object:
    """What a library takes as it is. The spec travels as JSON, so only what every reader gives back alike is taken."""
    if depth > _MAX_DEPTH:
        raise ValueError(f"expected no more than {_MAX_DEPTH} levels")
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise ValueError("expected text as keys; put them in quotes")
        return {key: _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, int | float) and not abs(value) < _MAX_INT:  # "Not a number" is not less either.
        raise ValueError("expected numbers of ordinary size")
    return value


def _null(_: Schema, value: object) -> None:
    if value is not None:
        raise ValueError("expected null")


_READERS: Mapping[str, Callable[[Schema, Any], object]] = {
    "boolean": _boolean,
    "integer": _integer,
    "number": _number,
    "string": _string,
    "array": _array,
    "object": _object,
    "null": _null,
}
