"""Rows of JSON lines and CSV. Each comes with the line at which it starts, counted from 1.

A row that cannot be read comes as a `Fault`, and reading goes on behind it.
"""

import csv
import io
import json
from collections.abc import Iterator
from typing import IO

import orjson

from services.trainer.dataset.problems import Code, Fault

MAX_ROW_BYTES = 16 * 1024 * 1024
Found = tuple[int, object]
"""Line, and the row as plain values or a Fault."""

TOO_LARGE = Fault(Code.TOO_LARGE, f"the row is larger than {MAX_ROW_BYTES >> 20} MiB; split it")


def read_jsonl(file: IO[bytes]) -> Iterator[Found]:
    """Blank lines do not count as rows."""
    for line, raw in _lines(file):
        if raw is None:
            yield line, TOO_LARGE
        elif raw.strip():
            yield line, _parsed(raw)


def read_csv(file: IO[bytes], *, delimiter: str | None) -> Iterator[Found]:
    """The first line names the columns. None: whichever of comma, semicolon, tab and bar is in it most often."""
    lines = (text for _, text in _text_lines(file))
    header = next(lines, None)
    if header is None:
        return
    csv.field_size_limit(MAX_ROW_BYTES)
    mark = delimiter or max(",;\t|", key=header.count)
    reader = csv.reader(_chain(header, lines), delimiter=mark)
    try:
        columns = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        yield 1, Fault(Code.BROKEN_ROW, f"the header is no CSV: {error}")
        return
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield line, Fault(Code.BROKEN_ROW, f"no CSV: {error}")
            continue
        if cells is None:
            return
        if cells:
            yield line, _csv_row(columns, cells)


def _csv_row(columns: list[str], cells: list[str]) -> object:
    if len(cells) != len(columns):
        why = f"{len(cells)} fields, but the header has {len(columns)}; put fields with commas or breaks in quotes"
        return Fault(Code.BROKEN_ROW, why)
    for column, cell in zip(columns, cells, strict=True):
        if not cell.isascii() and not _is_text(cell):
            return Fault(Code.BAD_ENCODING, "the bytes are not UTF-8; save the file as UTF-8", f"/{column}")
    return dict(zip(columns, cells, strict=True))


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _parsed(raw: bytes) -> object:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        try:
            return _with_nan(raw.decode())
        except UnicodeDecodeError as broken:
            return Fault(Code.BAD_ENCODING, f"byte {broken.start + 1} is not UTF-8; save the file as UTF-8")
        except (ValueError, TypeError, RecursionError):
            return Fault(Code.NOT_JSON, f"no JSON: {error.msg} at column {error.colno}")


def _with_nan(text: str) -> object:
    """What Python's own json writes for a number that is none, is null; raises ValueError for what is no JSON."""
    if "NaN" not in text and "Infinity" not in text:
        raise ValueError
    return orjson.loads(orjson.dumps(json.loads(text, parse_constant=lambda _: None)))


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Lines in UTF-8, without a byte order mark; None for one that is too long to be kept."""
    number = 0
    while piece := file.readline(MAX_ROW_BYTES + 1):
        number += 1
        if number == 1 and piece.startswith((b"\xff\xfe", b"\xfe\xff")):
            file.seek(0)
            yield from _utf16_lines(file)
            return
        if len(piece) <= MAX_ROW_BYTES:
            yield number, piece.removeprefix(b"\xef\xbb\xbf") if number == 1 else piece
            continue
        while piece and not piece.endswith(b"\n"):
            piece = file.readline(MAX_ROW_BYTES)
        yield number, None


def _utf16_lines(file: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
    with io.TextIOWrapper(file, encoding="utf-16", errors="surrogateescape", newline="\n") as text:
        for number, line in enumerate(text, start=1):
            yield number, line.encode("utf-8", "surrogateescape")


def _text_lines(file: IO[bytes]) -> Iterator[tuple[int, str]]:
    """Bytes that are no UTF-8 become lone surrogates, which no valid text holds."""
    for number, raw in _lines(file):
        yield number, "" if raw is None else raw.decode("utf-8", "surrogateescape")


def _chain(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest
