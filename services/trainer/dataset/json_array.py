"""Rows of a JSON array, read as far as needed, so that a large file never lies in memory."""

import codecs
import json
import re
from collections.abc import Iterator
from io import BytesIO
from typing import IO

import orjson

from services.trainer.dataset.lines import MAX_ROW_BYTES, TOO_LARGE, Found
from services.trainer.dataset.problems import Code, Fault

_PIECE = 4 * 1024 * 1024
_BLANKS = " \t\r\n"
_OPENING = re.compile(r"\[\s*")
_TOOLS = ("tools", "functions")


def read_json(file: IO[bytes]) -> Iterator[Found]:
    """An array of rows, an object with one array of rows in it, or objects one behind the other, over many lines each.

    Never more than a few rows in memory.
    """
    text = _Text(file)
    text.skip(_BLANKS)
    while text.peek() == "{":
        line = text.line
        row = _object(text)
        if row is None:
            break
        yield line, row
        if isinstance(row, Fault):
            return
        text.skip(_BLANKS)
    if text.peek():
        yield from _array(text)


def holds_rows(start: bytes) -> bool:
    """Whether a file that starts so is an object with an array of rows in it, and no row itself."""
    text = _Text(BytesIO(start))
    text.skip(_BLANKS)
    return text.peek() == "{" and _object(text) is None


def _array(text: "_Text") -> Iterator[Found]:
    text.take("[")
    while True:
        text.skip(f"{_BLANKS},")
        if text.peek() in ("]", ""):
            if not text.peek():
                yield text.line, Fault(Code.NOT_JSON, "the array is not closed: the file ends too early")
            return
        line = text.line
        value = text.value()
        yield line, _whole(value)
        if isinstance(value, Fault):
            return


def _whole(value: object) -> object:
    """Text with halves of characters in it cannot be encoded again."""
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return Fault(Code.BAD_ENCODING, "the row holds bytes or escapes that are no characters; save it as UTF-8")
    return value


class _Text:
    """A JSON text that is read as far as it is needed."""

    def __init__(self, file: IO[bytes]) -> None:
        self._pieces = _pieces(file)
        self._buffer = ""
        self._at = 0
        self._decoder = json.JSONDecoder()
        self.line = 1

    def peek(self) -> str:
        """The next character; empty at the end."""
        while self._at >= len(self._buffer):
            if not self._more():
                return ""
        return self._buffer[self._at]

    def skip(self, characters: str) -> None:
        while (char := self.peek()) and char in characters:
            self._advance(self._at + 1)

    def take(self, expected: str) -> bool:
        if self.peek() != expected:
            return False
        self._advance(self._at + 1)
        return True

    def first(self) -> object:
        """The first value of the array that comes next, None when there is none; nothing is taken."""
        while opening := _OPENING.match(self._buffer, self._at):
            try:
                return self._decoder.raw_decode(self._buffer, opening.end())[0]
            except RecursionError:
                return None
            except json.JSONDecodeError:
                closed = self._buffer[opening.end() : opening.end() + 1] == "]"
                if closed or len(self._buffer) - self._at > MAX_ROW_BYTES or not self._more():
                    return None
        return None

    def value(self) -> object:
        """The next value, or why there is none."""
        while True:
            try:
                value, end = self._decoder.raw_decode(self._buffer, self._at)
            except RecursionError:
                return Fault(Code.NOT_JSON, "no JSON: nested too deeply")
            except json.JSONDecodeError as error:
                if len(self._buffer) - self._at > MAX_ROW_BYTES:
                    return TOO_LARGE
                if not self._more():
                    return Fault(Code.NOT_JSON, f"no JSON: {error.msg}; rows behind this one were not read")
                continue
            if end == len(self._buffer) and self._more():  # A number at the edge may go on.
                continue
            self._advance(end)
            return value

    def _advance(self, end: int) -> None:
        self.line += self._buffer.count("\n", self._at, end)
        self._at = end

    def _more(self) -> bool:
        piece = next(self._pieces, None)
        if piece is None:
            return False
        self._buffer = self._buffer[self._at :] + piece
        self._at = 0
        return True


def _pieces(file: IO[bytes]) -> Iterator[str]:
    """Bytes that are no UTF-8 become lone surrogates, which no valid text holds."""
    first = file.read(_PIECE)
    coding = "utf-16" if first.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    decoder = codecs.getincrementaldecoder(coding)("surrogateescape")
    while first:
        following = file.read(_PIECE)
        yield decoder.decode(first, not following)
        first = following


def _object(text: _Text) -> object:
    """The next object, a row; None when one of its values is an array of rows, at which the text then stands."""
    text.take("{")
    row: dict[str, object] = {}
    while True:
        text.skip(f"{_BLANKS},")
        if text.take("}"):
            return _whole(row)
        key = text.value()
        text.skip(_BLANKS)
        if not isinstance(key, str) or not text.take(":"):
            return key if isinstance(key, Fault) else Fault(Code.NOT_JSON, "no JSON: expected a name and a colon")
        text.skip(_BLANKS)
        if key not in _TOOLS and _is_row(text.first()):
            return None
        value = row[key] = text.value()
        if isinstance(value, Fault):
            return value


def _is_row(value: object) -> bool:
    """An object that is no message: those stand in an array, too, but of one row."""
    return isinstance(value, dict) and "role" not in value and "from" not in value
