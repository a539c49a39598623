"""Rows as token ids with labels: what is trained on, and nothing else, keeps its id as label.

Trained on: of a conversation the assistant's turns with their ends, of a prompt with a completion the completion, of a
text everything; the end-of-sequence token always, also when it is the padding token. A prompt and completion of plain
text are a user's and an assistant's turn for a model with a chat template, for it will be asked that way; for a model
without one they are put together as they are.

Works on tokenizer.json alone: no torch, no transformers, 0.1 s to load.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Encoding, Tokenizer

from schemas.failures import Reason
from schemas.problems import did_you_mean, shown
from services.common.errors import UserError
from services.trainer.dataset.chat import CHATML, ChatTemplate, Message, Rendered, Span, TemplateRefused, find_template
from services.trainer.dataset.problems import Code, Fault
from services.trainer.dataset.request import Rules
from services.trainer.dataset.rows import Conversation, Pair, Row, Text
from services.trainer.dataset.tokens import NOT_TRAINED, TokenisedRow

_SPECIAL = ("bos_token", "eos_token", "pad_token", "unk_token", "sep_token", "cls_token", "mask_token")


@dataclass(frozen=True, slots=True)
class _Text:
    """`spans` are the characters trained on. `plain`: the tokenizer puts its own first and last tokens around."""

    text: str
    spans: tuple[Span, ...]
    plain: bool = False


class RowEncoder:
    """Encodes rows for one model."""

    def __init__(
        self, tokenizer: Tokenizer, eos: str, template: ChatTemplate, *, chats: bool, train_on_all: bool
    ) -> None:
        """`chats`: prompts of plain text are turns of a chat. `train_on_all`: prompts are learned too."""
        self._tokenizer = tokenizer
        self._template = template
        self._chats, self._all = chats, train_on_all
        self._eos = tokenizer.token_to_id(eos) or 0
        added = tokenizer.get_added_tokens_decoder()
        self._special = {number for number, token in added.items() if token.special} | {self._eos}

    def encode(self, rows: Sequence[Row], origins: Sequence[int]) -> list[TokenisedRow | Fault]:
        """In the same order; whole rows, however long. A row that the template refuses becomes a Fault."""
        texts = [self._text(row) for row in rows]
        encoded: dict[int, Encoding] = {}
        for plain in (True, False):
            numbers = [at for at, text in enumerate(texts) if isinstance(text, _Text) and text.plain is plain]
            parts = [texts[at].text for at in numbers]  # type: ignore[union-attr]
            encoded |= zip(numbers, self._tokenizer.encode_batch(parts, add_special_tokens=plain), strict=True)
        return [
            text if isinstance(text, Fault) else self._row(encoded[at], text, origin)
            for at, (text, origin) in enumerate(zip(texts, origins, strict=True))
        ]

    def text(self, ids: Sequence[int]) -> str:
        """Tokens as a person reads them, special ones included."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))

    def _text(self, row: Row) -> _Text | Fault:
        try:
            match row:
                case Conversation():
                    return self._trained(self._template.render(row.messages, row.tools))
                case Pair(prompt=str(prompt), completion=str(completion)) if not self._chats:
                    start = 0 if self._all else len(prompt)
                    return _Text(prompt + completion, ((start, len(prompt) + len(completion)),), plain=True)
                case Pair():
                    asked, answered = _turns(row.prompt, "user"), _turns(row.completion, "assistant")
                    first = 0 if self._all else len(asked)
                    return self._trained(self._template.render([*asked, *answered], row.tools, first=first))
                case Text():
                    return _Text(row.text, ((0, len(row.text)),), plain=True)
        except TemplateRefused as error:
            return Fault(Code.TEMPLATE_REFUSED, str(error))

    def _trained(self, rendered: Rendered) -> _Text:
        return _Text(rendered.text, _around(rendered) if self._all else rendered.spans)

    def _row(self, encoding: Encoding, text: _Text, origin: int) -> TokenisedRow:
        ids = list(encoding.ids)
        labels = [NOT_TRAINED] * len(ids)
        for start, end in text.spans:
            first, last = _tokens_of(encoding, start, end, len(text.text))
            labels[first:last] = ids[first:last]
            self._train_the_end(ids, labels, first, last)
        if text.plain and (not ids or ids[-1] != self._eos):
            ids.append(self._eos)
            labels.append(self._eos)
        elif text.plain:
            labels[-1] = self._eos
        return TokenisedRow(ids, labels, origin)

    def _train_the_end(self, ids: list[int], labels: list[int], first: int, last: int) -> None:
        """A turn must be learned with a token that ends it (a line break may follow), or the model never stops."""
        if first == last or not self._special.isdisjoint(ids[max(first, last - 3) : last]):
            return
        if last < len(ids) and ids[last] in self._special:
            labels[last] = ids[last]
        elif last == len(ids):
            ids.append(self._eos)
            labels.append(self._eos)


def load_encoder(folder: Path, rules: Rules) -> RowEncoder:
    """From a model's folder; raises `UserError` when its tokenizer or the request's template cannot be used."""
    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # The library raises nothing more special.
        message = f"{folder.name}/tokenizer.json cannot be used: {error}"[:300]
        raise UserError(Reason.MODEL_UNSUPPORTED, message) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    config = _json(folder / "tokenizer_config.json")
    special = _special_tokens(config, _json(folder / "special_tokens_map.json"))
    special["eos_token"] = _eos(tokenizer, rules.eos_token, special.get("eos_token"))
    own = rules.chat_template or find_template(folder, config)
    try:
        template = ChatTemplate(own or CHATML, special)
    except ValueError as error:
        whose = "ModelConfig.chat_template" if rules.chat_template else f"the chat template of {folder.name}"
        raise UserError(Reason.CONFIG_INVALID, f"{whose} is no jinja template: {error}") from error
    train_on_all = rules.completion_only_loss is False
    return RowEncoder(tokenizer, special["eos_token"], template, chats=own is not None, train_on_all=train_on_all)


def _around(rendered: Rendered) -> tuple[Span, ...]:
    """Everything but what is left out."""
    edges = [0, *(edge for span in sorted(rendered.left_out) for edge in span), len(rendered.text)]
    return tuple((start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end)


def _turns(part: str | Sequence[Message], role: str) -> Sequence[Message]:
    return [{"role": role, "content": part}] if isinstance(part, str) else part


def _tokens_of(encoding: Encoding, start: int, end: int, length: int) -> tuple[int, int]:
    """Tokens of characters: one that straddles the start belongs to them, for the prompt alone cannot have it."""
    first = _token_at(encoding, range(start, end))
    last = _token_at(encoding, range(end - 1, start - 1, -1))
    if first is None or last is None:
        return 0, 0
    _, until = encoding.token_to_chars(last) or (0, 0)
    straddles = end < length and until > end
    return first, last if straddles else last + 1


def _token_at(encoding: Encoding, characters: range) -> int | None:
    """Normalisation can swallow characters, so the next one that has a token counts."""
    for character in characters:
        token = encoding.char_to_token(character)
        if token is not None:
            return int(token)
    return None


def _eos(tokenizer: Tokenizer, asked: str | None, own: str | None) -> str:
    eos = asked or own
    if eos is None:
        raise UserError(
            Reason.MODEL_UNSUPPORTED, "the model's tokenizer names no eos_token; set TrainingArguments.eos_token"
        )
    if tokenizer.token_to_id(eos) is None:
        known = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
        raise UserError(
            Reason.CONFIG_INVALID,
            f"TrainingArguments.eos_token: {shown(eos)} is not in the model's vocabulary{did_you_mean(eos, known)}",
        )
    return eos


def _special_tokens(*configs: Mapping[str, Any]) -> dict[str, str]:
    """Special tokens by name; the first config that names one counts."""
    found: dict[str, str] = {}
    for config in reversed(configs):
        for name in _SPECIAL:
            value = config.get(name)
            text = value.get("content") if isinstance(value, dict) else value
            if isinstance(text, str):
                found[name] = text
    return found


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
