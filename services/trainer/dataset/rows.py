"""A row of any shape, as one of three: a conversation, a prompt with its completion, or plain text."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.trainer.dataset.conversations import Message, Refused, conversation, tools
from services.trainer.dataset.problems import Code, Fault, kind
from services.trainer.dataset.shapes import Columns, Shape


@dataclass(frozen=True, slots=True)
class Conversation:
    """Trained on the assistant's turns."""

    messages: list[Message]
    tools: list[object] | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """Trained on the completion. Both are text, or both are messages."""

    prompt: str | list[Message]
    completion: str | list[Message]
    tools: list[object] | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """Trained on as a whole."""

    text: str


Row = Conversation | Pair | Text


def size(row: Row) -> int:
    """About how many characters the row has, to keep batches small."""
    match row:
        case Conversation():
            return sum(len(str(message["content"])) for message in row.messages)
        case Pair():
            return sum(
                len(part) if isinstance(part, str) else 1000 * len(part) for part in (row.prompt, row.completion)
            )
        case Text():
            return len(row.text)


def to_row(value: object, columns: Columns) -> Row | Fault:
    """What a reader found, checked; a Fault stays what it is."""
    if isinstance(value, Fault):
        return value
    if not isinstance(value, Mapping):
        return Fault(Code.NOT_AN_OBJECT, f"a row is an object with columns, not {kind(value)}")
    try:
        return _SHAPES[columns.shape](value, columns)
    except Refused as refused:
        return refused.fault


def _conversation(value: Mapping[str, object], columns: Columns) -> Row:
    messages = conversation(_field(value, columns.first), columns.first)
    system = value.get("system")
    if isinstance(system, str) and system.strip() and messages[0]["role"] != "system":
        messages.insert(0, {"role": "system", "content": system})
    return Conversation(messages, tools(value))


def _pair(value: Mapping[str, object], columns: Columns) -> Row:
    prompt, completion = _field(value, columns.first), _field(value, columns.second)
    if isinstance(prompt, list) or isinstance(completion, list):
        return Pair(
            conversation(prompt, columns.first, needs_answer=False),
            conversation(completion, columns.second),
            tools(value),
        )
    return Pair(_text(prompt, columns.first, empty=True), _text(completion, columns.second), tools(value))


def _alpaca(value: Mapping[str, object], columns: Columns) -> Row:
    instruction = _text(_field(value, columns.first), columns.first)
    extra = value.get("input")
    if extra is not None:
        extra = _text(extra, "input", empty=True)
    prompt = f"{instruction}\n\n{extra}" if extra else instruction
    return Pair(prompt, _text(_field(value, columns.second), columns.second))


def _plain(value: Mapping[str, object], columns: Columns) -> Row:
    return Text(_text(_field(value, columns.first), columns.first))


def _field(value: Mapping[str, object], name: str) -> object:
    if name not in value:
        raise Refused(Code.MISSING_FIELD, f"the row has no {name}", f"/{name}")
    if value[name] is None:
        raise Refused(Code.MISSING_FIELD, f"{name} is null", f"/{name}")
    return value[name]


def _text(value: object, name: str, *, empty: bool = False) -> str:
    if not isinstance(value, str):
        raise Refused(Code.WRONG_TYPE, f"{name} is {kind(value)}, expected text", f"/{name}")
    if not empty and not value.strip():
        raise Refused(Code.EMPTY_CONTENT, f"{name} is empty", f"/{name}")
    return value


_SHAPES = {
    Shape.MESSAGES: _conversation,
    Shape.CONVERSATIONS: _conversation,
    Shape.PROMPT_COMPLETION: _pair,
    Shape.ALPACA: _alpaca,
    Shape.TEXT: _plain,
}
