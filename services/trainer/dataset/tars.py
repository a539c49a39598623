"""Rows of WebDataset archives: members whose names differ only behind the first dot are one row.

A `json` member gives the row's columns, `txt` its `text`; other members are columns by their extension.
"""

import tarfile
from collections.abc import Iterator
from typing import IO, cast

import orjson

from services.trainer.dataset.lines import MAX_ROW_BYTES, TOO_LARGE, Found
from services.trainer.dataset.problems import Code, Fault

MAX_MEMBERS = 20_000_000
_BLOCK = 512


def read_webdataset(file: IO[bytes]) -> Iterator[Found]:
    """`line` is the number of the row. Raises `tarfile.TarError` when the archive is broken."""
    line, key = 0, ""
    row: dict[str, object] = {}
    fault: Fault | None = None
    for name, content in _members(file):
        stem, _, extension = name.rpartition("/")[2].partition(".")
        place = f"{name.rpartition('/')[0]}/{stem}"
        if place != key and (row or fault):
            line += 1
            yield line, fault or row
            row, fault = {}, None
        key = place
        try:
            row.update(_columns(extension.lower(), content))
        except ValueError as error:
            fault = Fault(Code.NOT_JSON if extension == "json" else Code.BAD_ENCODING, f"{name}: {error}")
        except OverflowError:
            fault = TOO_LARGE
    if row or fault:
        yield line + 1, fault or row


def _members(file: IO[bytes]) -> Iterator[tuple[str, bytes | None]]:
    """Names and bytes of regular files; None for one that is too large to be a row."""
    tail = _Tail(file)
    with tarfile.open(fileobj=cast("IO[bytes]", tail), mode="r|") as archive:
        for number, member in enumerate(archive):
            archive.members = []  # type: ignore[attr-defined]  # tarfile remembers every member; a million of them would fill the memory.
            if number >= MAX_MEMBERS:
                raise tarfile.ReadError(f"more than {MAX_MEMBERS} members")
            if not member.isreg() or member.name.rpartition("/")[2].startswith("."):
                continue
            if member.size > MAX_ROW_BYTES:
                yield member.name, None
                continue
            content = archive.extractfile(member)
            yield member.name, content.read() if content else b""
    if not tail.is_empty_at_the_end():
        raise tarfile.ReadError("the archive ends too early")


class _Tail:
    """Remembers the last block, for an archive that was cut between two members looks whole to tarfile."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._last = b""

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        if data:
            self._last = (self._last + data[-_BLOCK:])[-_BLOCK:]
        return data

    def is_empty_at_the_end(self) -> bool:
        """An archive ends with blocks of zeros."""
        while self.read(_BLOCK * 2048):
            pass
        return self._last == bytes(_BLOCK)


def _columns(extension: str, content: bytes | None) -> dict[str, object]:
    """Pictures and the like stay bytes, for nobody may want them."""
    if content is None:
        raise OverflowError
    if extension == "json":
        value = orjson.loads(content)
        if isinstance(value, dict):
            return value
        raise ValueError("expected an object")
    if extension in ("txt", "text"):
        return {"text": content.decode()}
    try:
        return {extension: content.decode()} if extension else {}
    except UnicodeDecodeError:
        return {extension: content}
