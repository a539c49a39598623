"""What can be wrong with a row. The codes are part of the outside: `docs/datasets.md` has an entry for each."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from schemas.events.dataset import RowProblem

MAX_TEXT = 300
"""Names of columns come from the data and can be of any length; an event must stay small."""


class Code(StrEnum):
    """A row problem's stable code."""

    BAD_ENCODING = "bad_encoding"
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    BROKEN_ROW = "broken_row"
    TOO_LARGE = "too_large"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    EMPTY_MESSAGES = "empty_messages"
    UNKNOWN_ROLE = "unknown_role"
    NO_ASSISTANT_TURN = "no_assistant_turn"
    EMPTY_CONTENT = "empty_content"
    BAD_TOOL_CALL = "bad_tool_call"
    TEMPLATE_REFUSED = "template_refused"
    NOTHING_TO_TRAIN = "nothing_to_train"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why one row cannot be used; `pointer` is a JSON pointer into the row."""

    code: Code
    message: str
    pointer: str = ""


@dataclass(slots=True)
class Problems:
    """The first bad rows in full, all of them counted."""

    limit: int
    shown: list[RowProblem] = field(default_factory=list)
    codes: Counter[Code] = field(default_factory=Counter)

    def add(self, file: str, line: int, fault: Fault) -> None:
        self.codes[fault.code] += 1
        if len(self.shown) < self.limit:
            file, pointer, message = (text[:MAX_TEXT] for text in (file, fault.pointer, fault.message))
            self.shown.append(RowProblem(file=file, line=line, pointer=pointer, code=fault.code, message=message))

    @property
    def count(self) -> int:
        return self.codes.total()

    def first(self, number: int) -> str:
        """The first few in one line, for a message."""
        lines = [f"{row.file}:{row.line}: {row.message} ({row.code})" for row in self.shown[:number]]
        return "; ".join(lines)


def shown(value: object, limit: int = 60) -> str:
    """A value as a message may quote it: escaped and short."""
    text = (
        repr(value)
        if not isinstance(value, dict | list) or len(value) < 20
        else f"{type(value).__name__} of {len(value)}"
    )
    return text if len(text) <= limit else f"{text[:limit]}…"


def kind(value: object) -> str:
    """What JSON calls the type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true/false"
    names = {dict: "an object", list: "an array", str: "text", int: "a number", float: "a number"}
    return names.get(type(value), type(value).__name__)
