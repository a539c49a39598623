"""Rows of a JSON array, read as far as needed, so that a large file never lies in memory."""

import codecs
import json
from collections.abc import Iterator
from typing import IO

import orjson

from services.trainer.dataset.lines import MAX_ROW_BYTES, TOO_LARGE, Found
from services.trainer.dataset.problems import Code, Fault

_PIECE = 4 * 1024 * 1024


def read_json(file: IO[bytes]) -> Iterator[Found]:
    """An array of rows, or an object with one array of rows in it; never more than a few rows in memory."""
    text = _Text(file)
    text.skip(" \t\r\n")
    if text.peek() == "{" and not _enter_array(text):
        yield text.line, Fault(Code.NOT_AN_OBJECT, "expected an array of rows, or an object that holds one")
        return
    text.take("[")
    while True:
        text.skip(" \t\r\n,")
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


def _enter_array(text: _Text) -> bool:
    """Go to the first array among an object's values."""
    text.take("{")
    while True:
        text.skip(" \t\r\n,")
        key = text.value()
        text.skip(" \t\r\n")
        if not isinstance(key, str) or not text.take(":"):
            return False
        text.skip(" \t\r\n")
        if text.peek() == "[":
            return True
        if isinstance(text.value(), Fault):
            return False
