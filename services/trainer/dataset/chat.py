"""Chat templates: found, compiled in a sandbox, and rendered so that the assistant's words can be told from the rest.

A template comes from the request or from the model's folder; a model that has none is given ChatML. Templates of both
kinds are other people's code: they run in jinja's immutable sandbox, in a process with limits of its own. They see no
clock, so that the same row is the same tokens tomorrow.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from os.path import commonprefix
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, LoopControlExtension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from services.trainer.dataset.conversations import WEIGHT

# For models without a template. Every turn of the assistant ends with the model's own end-of-sequence token.
CHATML = """{%- for message in messages -%}
{{- '<|im_start|>' ~ message['role'] ~ '\\n' -}}
{%- if message['role'] == 'assistant' -%}
{%- generation -%}
{{- message['content'] ~ '<|im_end|>' ~ (eos_token if eos_token != '<|im_end|>' else '') -}}
{%- endgeneration -%}
{{- '\\n' -}}
{%- else -%}
{{- message['content'] ~ '<|im_end|>\\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""
# What templates that put today's date into the prompt get; it is the date that Llama's templates fall back to.
_TODAY = datetime(2024, 7, 26, tzinfo=UTC)
_OPEN, _CLOSE = "\ue200", "\ue201"

Message = Mapping[str, object]
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A conversation as text; `spans` are the characters that the assistant says, ends of turns included.

    `left_out` are those of its turns that carry a weight of 0, and are no part of `spans`.
    """

    text: str
    spans: tuple[Span, ...]
    left_out: tuple[Span, ...] = ()


class TemplateRefused(ValueError):
    """The template does not take this conversation, in its own words."""


class ChatTemplate:
    """A compiled template with the model's special tokens."""

    def __init__(self, source: str, special: Mapping[str, str]) -> None:
        """Raise ValueError when it is no template. `special` maps names such as `eos_token` to their text."""
        try:
            self._template = _environment().from_string(source)
        except jinja2.TemplateSyntaxError as error:
            raise ValueError(f"line {error.lineno}: {error.message}") from error
        self._marked = "generation" in source and "endgeneration" in source
        self._special = dict(special)

    def render(self, messages: Sequence[Message], tools: Sequence[object] | None = None, *, first: int = 0) -> Rendered:
        """The whole conversation; turns before the message `first` are nobody's to learn."""
        text, marks = _unmarked(self._text(messages, tools))
        unlearned = [turn for turn, message in enumerate(messages) if message.get(WEIGHT) == 0]
        if not self._marked:
            found = self._found(messages, tools, text, first)
            left_out = [found[turn] for turn in unlearned if turn in found]
            spans = list(found.values())
        else:
            asked = len(_unmarked(self._text(messages[:first], tools, prompt=True))[0]) if first else 0
            left_out = [mark for turn in unlearned for mark in self._marks_of(turn, messages, tools, text, marks)]
            spans = [mark for mark in marks if mark[0] >= asked]
        return Rendered(text, tuple(span for span in spans if span not in left_out), tuple(left_out))

    def prompt(self, messages: Sequence[Message], tools: Sequence[object] | None = None) -> str:
        """The conversation up to where the assistant begins to speak."""
        return _unmarked(self._text(messages, tools, prompt=True))[0]

    def _marks_of(
        self, turn: int, messages: Sequence[Message], tools: Sequence[object] | None, text: str, marks: list[Span]
    ) -> list[Span]:
        """What one turn adds to the marks; it must say the same when it is the last one."""
        before = len(_unmarked(self._text(messages[:turn], tools))[1]) if turn else 0
        alone, until = _unmarked(self._text(messages[: turn + 1], tools))
        mine = marks[before : len(until)]
        if [text[slice(*span)] for span in mine] != [alone[slice(*span)] for span in until[before:]]:
            raise TemplateRefused(
                "the chat template writes earlier turns differently once later ones follow, so the turn of weight 0 "
                "cannot be found; leave out what comes after the turns that are to be learned"
            )
        return mine

    def _found(
        self, messages: Sequence[Message], tools: Sequence[object] | None, text: str, first: int
    ) -> dict[int, Span]:
        """Without marks in the template: what a turn adds to the text behind the prompt for it.

        Templates that write a turn differently once others follow (thoughts left out) get only the last one learned.
        """
        turns = [turn for turn in range(first, len(messages)) if messages[turn].get("role") == "assistant"]
        spans: dict[int, Span] = {}
        for turn in turns:
            start = _shared(self._text(messages[:turn], tools, prompt=True), text) if turn else 0
            spans[turn] = (start, max(start, _shared(self._text(messages[: turn + 1], tools), text)))
        for (_, end), (start, _) in pairwise(spans.values()):
            if start < end:
                raise TemplateRefused(
                    "the chat template writes earlier turns differently once later ones follow, so the assistant's "
                    "words cannot be found; mark them in the template with {% generation %} … {% endgeneration %}"
                )
        return {turn: span for turn, span in spans.items() if span[0] < span[1]}

    def _text(self, messages: Sequence[Message], tools: Sequence[object] | None, *, prompt: bool = False) -> str:
        try:
            return self._template.render(
                messages=[{name: part for name, part in message.items() if name != WEIGHT} for message in messages],
                tools=tools,
                documents=None,
                add_generation_prompt=prompt,
                **self._special,
            )
        except (jinja2.TemplateError, TypeError, ValueError, KeyError, ArithmeticError, RecursionError) as error:
            raise TemplateRefused(f"the chat template refuses it: {str(error)[:200]}") from error


def find_template(folder: Path, config: Mapping[str, Any]) -> str | None:
    """The template of a model's folder: `chat_template.jinja`, else what tokenizer_config.json says."""
    path = folder / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    found = config.get("chat_template")
    if isinstance(found, list):
        named = {entry.get("name"): entry.get("template") for entry in found if isinstance(entry, dict)}
        found = named.get("default")
    return found if isinstance(found, str) else None


def _shared(one: str, other: str) -> int:
    """How many first characters both have in common."""
    return len(one) if other.startswith(one) else len(commonprefix([one, other]))  # noqa: RUF071 - texts, no paths.


def _unmarked(text: str) -> tuple[str, list[Span]]:
    """Take the marks out of a rendered text and give the stretches between them."""
    pieces: list[str] = []
    spans: list[Span] = []
    length = 0
    for number, piece in enumerate(text.split(_OPEN)):
        inside, closed, after = piece.partition(_CLOSE) if number else ("", "", piece)
        if closed:
            spans.append((length, length + len(inside)))
        pieces += (inside, after)
        length += len(inside) + len(after)
    return "".join(pieces), spans


class _Marks(Extension):
    """`{% generation %}` puts marks around what the assistant says; they are characters that no text uses."""

    tags = {"generation"}  # noqa: RUF012 - jinja's own way of saying it.

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_mark"), [], [], body).set_lineno(line)

    def _mark(self, caller: Any) -> str:
        return f"{_OPEN}{caller()}{_CLOSE}"


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Marks, LoopControlExtension]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = _TODAY.strftime
    return environment


def _to_json(value: object, indent: int | None = None, ensure_ascii: bool = False, **options: Any) -> str:  # noqa: FBT001, FBT002, RUF100 - templates call it by position.
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **options)


def _raise(message: object) -> None:
    raise jinja2.TemplateError(str(message))
