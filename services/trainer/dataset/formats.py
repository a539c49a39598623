"""Which format a file has: as the request says, as its name says, or as its first bytes look."""

import io
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING

import orjson

from schemas.failures import Reason
from services.common.errors import UserError
from services.trainer.dataset.decode import DecodeError, Decoder, Gzip, Zstd
from services.trainer.dataset.json_array import holds_rows
from services.trainer.dataset.names import data_extension
from services.trainer.dataset.shapes import WELL_KNOWN

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

HEAD_BYTES = 64 * 1024
MAX_RATIO = 200
MIN_EXPANSION = 64 * 1024 * 1024
_PIECE = 256 * 1024
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class Format(StrEnum):
    """How rows lie in a file."""

    CSV = "csv"
    TSV = "tsv"
    JSON = "json"
    JSONL = "jsonl"
    PARQUET = "parquet"
    ARROW = "arrow"
    WEBDATASET = "webdataset"


_BY_NAME = {
    **{known.value: known for known in Format},
    "ndjson": Format.JSONL,
    "feather": Format.ARROW,
    "tar": Format.WEBDATASET,
}


class _Decoded(io.RawIOBase):
    """What a compressed file stands for, as long as it is believable and the file whole."""

    def __init__(self, file: IO[bytes], decoder: Decoder, compressed: int) -> None:
        self._file = file
        self._pieces = self._decode(decoder, max(MAX_RATIO * compressed, MIN_EXPANSION))
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = piece
        taken, self._rest = self._rest[: len(view)], self._rest[len(view) :]
        view[: len(taken)] = taken
        return len(taken)

    def close(self) -> None:
        self._file.close()
        super().close()

    def _decode(self, decoder: Decoder, left: int) -> Iterator[bytes]:
        while data := self._file.read(_PIECE):
            for piece in decoder.feed(data):
                left -= len(piece)
                if left < 0:
                    raise OSError(f"it expands more than {MAX_RATIO} times")
                yield piece
        decoder.finish()


def open_plain(path: Path) -> IO[bytes]:
    """The file's bytes, gzip and zstd undone; closing it closes the file."""
    file = path.open("rb")
    magic = file.read(4)
    file.seek(0)
    decoder = Gzip() if magic.startswith(_GZIP) else Zstd() if magic == _ZSTD else None
    return io.BufferedReader(_Decoded(file, decoder, path.stat().st_size), _PIECE) if decoder else file


def find_format(name: str, path: Path, extension: str | None) -> Format:
    """`extension` is DatasetConfig.dataset_extension. Raises `UserError(DatasetUnreadable)` for what is no data."""
    if extension is not None and extension.lower().lstrip(".") not in _BY_NAME:
        known = ", ".join(_BY_NAME)
        raise _unreadable(name, f"DatasetConfig.dataset_extension {extension!r} is none of {known}")
    head = _head(name, path)
    chosen = extension.lower().lstrip(".") if extension else data_extension(name)
    by_name = _BY_NAME.get(chosen) if chosen else None
    _refuse_stand_ins(name, head)
    found = by_name if by_name and extension else _by_magic(head) or by_name or _by_looking(name, head)
    return _json_kind(head, found) if found in (Format.JSON, Format.JSONL) else found


def _head(name: str, path: Path) -> bytes:
    try:
        with open_plain(path) as file:
            head = file.read(HEAD_BYTES)
    except (OSError, DecodeError) as error:
        raise _unreadable(name, f"its compression is broken: {error}") from error
    return head.decode("utf-16", "replace").encode() if head.startswith(_UTF16) else head


def _by_magic(head: bytes) -> Format | None:
    if head.startswith(b"PAR1"):
        return Format.PARQUET
    if head.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        return Format.ARROW
    return Format.WEBDATASET if head[257:262] == b"ustar" else None


def _refuse_stand_ins(name: str, head: bytes) -> None:
    """What is often downloaded, or cloned, in a file's place, and under its name."""
    if re.match(rb"<(?:!doctype|html|\?xml)", _text(head), re.IGNORECASE):
        raise _unreadable(name, "it is a web page; give the URL of the file itself, not of the page that shows it")
    if head.startswith(b"version https://git-lfs"):
        raise _unreadable(
            name, "it is Git LFS's note of the file; run `git lfs pull`, or give the URL of the file itself"
        )


def _by_looking(name: str, head: bytes) -> Format:
    text = _text(head)
    if text[:1] in (b"{", b"["):
        return Format.JSONL
    first = text.partition(b"\n")[0]
    if b"\0" not in head and any(first.count(mark) for mark in (b",", b"\t", b";")):
        return Format.TSV if first.count(b"\t") > first.count(b",") else Format.CSV
    raise _unreadable(
        name,
        "it looks like none of csv, json, jsonl, parquet, arrow and webdataset; set DatasetConfig.dataset_extension",
    )


def _json_kind(head: bytes, named: Format) -> Format:
    """An array, or objects over many lines, is JSON; objects line by line are JSON lines, whatever the name says."""
    text = _text(head)
    first, _, rest = text.partition(b"\n")
    if text.startswith(b"[") or first.strip() == b"{":
        return Format.JSON
    if text.startswith(b"{") and not rest.strip():
        return Format.JSON if named is Format.JSON and _is_container(first) else Format.JSONL
    if not text.startswith(b"{") or _is_json(first) or re.search(rb"^\{", rest, re.MULTILINE):
        return Format.JSONL
    return Format.JSON


def _is_container(line: bytes) -> bool:
    """Whether an object is a dataset: rows, too, can hold arrays of objects beside what is trained on."""
    try:
        return WELL_KNOWN.isdisjoint(orjson.loads(line)) and holds_rows(line)
    except orjson.JSONDecodeError:  # Its end is not there.
        return holds_rows(line)


def _text(head: bytes) -> bytes:
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()


def _is_json(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


def _unreadable(name: str, why: str) -> UserError:
    return UserError(Reason.DATASET_UNREADABLE, f"{name} cannot be read: {why}")
