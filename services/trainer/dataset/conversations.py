"""Conversations as people write them, as what a chat template takes: roles and contents, tools and tool calls."""

from collections.abc import Mapping

import orjson

from services.trainer.dataset.problems import Code, Fault, kind, shown

Message = dict[str, object]

_ROLES = ("system", "user", "assistant", "tool")
_SAME = {"developer": "system", "function": "tool"}
# ShareGPT's `from`, in the spellings that are around.
_SPEAKERS = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "tool": "tool",
    "observation": "tool",
    "function_response": "tool",
    "function_call": "function_call",
}
_KEPT = ("name", "tool_call_id", "reasoning_content")
WEIGHT = "weight"
"""0 on a message of the assistant that is not to be learned; OpenAI's word. It stands on no other message."""


class Refused(Exception):  # It reads as the sentence that it is.
    """Carries the fault of a row."""

    def __init__(self, code: Code, message: str, pointer: str) -> None:
        super().__init__(message)
        self.fault = Fault(code, message, pointer)


def conversation(value: object, column: str, *, needs_answer: bool = True) -> list[Message]:
    """Messages with `role` and `content`; raises `Refused`."""
    value = _decoded(value)
    if not isinstance(value, list):
        raise Refused(Code.WRONG_TYPE, f"expected an array of messages, not {kind(value)}", f"/{column}")
    if not value:
        raise Refused(Code.EMPTY_MESSAGES, "there is no message in it", f"/{column}")
    messages = [_message(item, f"/{column}/{number}") for number, item in enumerate(value)]
    if needs_answer and not any(message["role"] == "assistant" for message in messages):
        raise Refused(Code.NO_ASSISTANT_TURN, "no message is the assistant's: there is nothing to learn", f"/{column}")
    return messages


def tools(row: Mapping[str, object]) -> list[object] | None:
    """A row's tool descriptions, None when there are none; `functions` is what OpenAI called them before."""
    described, functions = _described(row, "tools"), _described(row, "functions")
    if described and functions:
        raise Refused(Code.WRONG_TYPE, "the row has both tools and functions: put all of them into tools", "/functions")
    return described or [{"type": "function", "function": function} for function in functions] or None


def _described(row: Mapping[str, object], column: str) -> list[object]:
    """Table formats hold the array as JSON text."""
    value = _decoded(row.get(column))
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(tool, dict) for tool in value):
        raise Refused(Code.WRONG_TYPE, "expected an array of tool descriptions", f"/{column}")
    return value


def _message(item: object, pointer: str) -> Message:
    if not isinstance(item, Mapping):
        raise Refused(Code.WRONG_TYPE, f"expected a message with role and content, not {kind(item)}", pointer)
    role = _role(item, pointer)
    if role == "function_call":
        call = _call(item.get("value"), f"{pointer}/value")
        return {"role": "assistant", "content": "", "tool_calls": [call], **_weight(item, pointer)}
    calls = _calls(item, pointer) if role == "assistant" else None
    message: Message = {"role": role, "content": _content(item, role, pointer, optional=bool(calls))}
    if calls:
        message["tool_calls"] = calls
    if role == "assistant":
        message |= _weight(item, pointer)
    message.update({name: item[name] for name in _KEPT if isinstance(item.get(name), str)})
    return message


def _role(item: Mapping[object, object], pointer: str) -> str:
    named = "role" if "role" in item else "from" if "from" in item else None
    if named is None:
        raise Refused(Code.MISSING_FIELD, "the message has no role", f"{pointer}/role")
    value = item[named]
    if not isinstance(value, str):
        raise Refused(Code.WRONG_TYPE, f"a role is text, not {kind(value)}", f"{pointer}/{named}")
    role = _SPEAKERS.get(value.lower()) if named == "from" else _SAME.get(value, value)
    if role not in (*_ROLES, "function_call"):
        known = ", ".join(_ROLES)
        raise Refused(Code.UNKNOWN_ROLE, f"unknown role {shown(value)}; expected {known}", f"{pointer}/{named}")
    return role


def _content(item: Mapping[object, object], role: str, pointer: str, *, optional: bool) -> str:
    named = "content" if "content" in item or "value" not in item else "value"
    if named not in item and not optional:
        raise Refused(Code.MISSING_FIELD, "the message has no content", f"{pointer}/content")
    value = item.get(named)
    if isinstance(value, list):
        value = _joined(value, f"{pointer}/{named}")
    if value is None and optional:
        return ""
    if not isinstance(value, str):
        raise Refused(Code.WRONG_TYPE, f"content is text, not {kind(value)}", f"{pointer}/{named}")
    if not value.strip() and not optional and role in ("user", "assistant"):
        raise Refused(Code.EMPTY_CONTENT, f"the {role}'s message is empty", f"{pointer}/{named}")
    return value


def _joined(parts: list[object], pointer: str) -> str:
    """OpenAI's content parts, of which only text can be trained on here."""
    texts = []
    for number, part in enumerate(parts):
        if not isinstance(part, Mapping) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise Refused(Code.WRONG_TYPE, "only parts of type text can be trained on", f"{pointer}/{number}")
        texts.append(str(part["text"]))
    return "".join(texts)


def _calls(item: Mapping[object, object], pointer: str) -> list[object]:
    """`function_call`, alone, is what OpenAI had before `tool_calls`."""
    value = _decoded(item.get("tool_calls"))
    if value is None:
        single = item.get("function_call")
        return [] if single is None else [_call(single, f"{pointer}/function_call")]
    if not isinstance(value, list):
        raise Refused(
            Code.BAD_TOOL_CALL, f"expected an array of tool calls, not {kind(value)}", f"{pointer}/tool_calls"
        )
    return [_call(call, f"{pointer}/tool_calls/{number}") for number, call in enumerate(value)]


def _weight(item: Mapping[object, object], pointer: str) -> Message:
    value = item.get(WEIGHT)
    if value is None or (value in (0, 1) and not isinstance(value, bool)):
        return {WEIGHT: 0} if value == 0 else {}
    raise Refused(Code.WRONG_TYPE, "a weight is 0 (this turn is not learned) or 1", f"{pointer}/{WEIGHT}")


def _call(value: object, pointer: str) -> object:
    """`{"type", "id"?, "function": {"name", "arguments"}}`; arguments as text become the object that they stand for."""
    value = _decoded(value)
    inner = value.get("function", value) if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping) or not isinstance(inner, Mapping) or not isinstance(inner.get("name"), str):
        raise Refused(Code.BAD_TOOL_CALL, "a tool call needs function.name and function.arguments", pointer)
    arguments = _decoded(inner.get("arguments", {}))
    if not isinstance(arguments, Mapping):
        raise Refused(Code.BAD_TOOL_CALL, "the arguments are no JSON object", f"{pointer}/function/arguments")
    identity = {"id": value["id"]} if isinstance(value.get("id"), str) else {}
    return {"type": "function", **identity, "function": {"name": inner["name"], "arguments": dict(arguments)}}


def _decoded(value: object) -> object:
    """Table formats hold structures as JSON text."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("[", "{"):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value
