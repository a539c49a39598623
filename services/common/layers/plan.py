"""A layer's bytes as a plan: the tar of some files, framed as setting says, the same on every machine. Pure.

Nothing that a Python or zlib build decides is in the bytes: tar headers are written here (ustar, POSIX.1-1988), with
fixed owner, mode and time, and `gzip` means RFC 1952 framing around RFC 1951 stored blocks. Weights hardly compress
(`bench/publishing.py`: about 7 % at a hundredth of the speed), so storing them costs nothing worth having.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from isal import isal_zlib

from services.common.registry.descriptors import LAYER_GZIP, LAYER_TAR, LAYER_ZSTD

Compression = Literal["none", "gzip", "zstd"]
MEDIA_TYPES = {"none": LAYER_TAR, "gzip": LAYER_GZIP, "zstd": LAYER_ZSTD}
FORMAT = 1
"""Raise it when the bytes change for the same files: what is remembered of old layers is then not used."""
_BLOCK, _RECORD = 512, 10_240
_MAX_SIZE = 8**11
_STORED = 65_535


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the layer: its path in the image and its length."""

    path: str
    size: int


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of the layer and the key under which it lies; `digest` is what the adapter's manifest says."""

    entry: Entry
    key: str
    digest: str


@dataclass(frozen=True, slots=True)
class Content:
    """A piece of the plan that is an entry's content, as it is."""

    entry: Entry


Piece = bytes | Content


def tar_plan(entries: tuple[Entry, ...]) -> Iterator[Piece]:
    """The tar as pieces in order: the folder of the files first, then they by name, padded as tar pads."""
    yield _header(f"{_folder(entries)}/", 0, mode=0o755, kind=b"5")
    for entry in _sorted(entries):
        yield _header(entry.path, entry.size, mode=0o644, kind=b"0")
        yield Content(entry)
        yield bytes(-entry.size % _BLOCK)
    yield bytes(2 * _BLOCK + -(_unpadded(entries) + 2 * _BLOCK) % _RECORD)


def tar_size(entries: tuple[Entry, ...]) -> int:
    """The tar's length in bytes."""
    content = _unpadded(entries) + 2 * _BLOCK
    return content + -content % _RECORD


def _unpadded(entries: tuple[Entry, ...]) -> int:
    return _BLOCK + sum(_BLOCK + entry.size + -entry.size % _BLOCK for entry in entries)


def _folder(entries: tuple[Entry, ...]) -> str:
    folders = {entry.path.rpartition("/")[0] for entry in entries}
    if len(folders) != 1:
        raise ValueError(f"the files of a layer lie in one folder, not in {sorted(folders)}")
    return folders.pop()


def _sorted(entries: tuple[Entry, ...]) -> list[Entry]:
    return sorted(entries, key=lambda entry: entry.path.encode())


def _header(path: str, size: int, *, mode: int, kind: bytes) -> bytes:
    name = path.encode()
    if len(name) > 100 or size >= _MAX_SIZE:
        raise ValueError(f"{path} does not fit a ustar header: at most 100 bytes of name and 8 GiB of content")
    fields = struct.pack(
        "100s8s8s8s12s12s8s1s100s6s2s32s32s8s8s155s12x",
        name, b"%07o" % mode, b"%07o" % 0, b"%07o" % 0, b"%011o" % size, b"%011o" % 0,
        b" " * 8, kind, b"", b"ustar", b"00", b"", b"", b"%07o" % 0, b"%07o" % 0, b"",
    )  # fmt: skip
    return fields[:148] + b"%06o\0 " % sum(fields) + fields[156:]


class StoredGzip:
    """Frames a stream as one gzip member of stored blocks; where the input is cut does not show in the output."""

    def __init__(self) -> None:
        self._rest = b""
        self._crc = 0
        self._length = 0
        self._begun = False

    def add(self, data: bytes | memoryview) -> list[bytes | memoryview]:
        """Take in some bytes and give what is ready, in pieces, some of which are views of `data`."""
        # zlib's own takes half as long as sha256; this one's is the same sum in a twentieth of the time.
        self._crc = isal_zlib.crc32(data, self._crc)
        self._length += len(data)
        if len(self._rest) + len(data) < _STORED:
            self._rest += data
            return [self._head()]
        view, first = memoryview(data), _STORED - len(self._rest)
        whole = first + (len(data) - first) // _STORED * _STORED
        parts: list[bytes | memoryview] = [self._head(), _FULL_BLOCK, self._rest, view[:first]]
        for start in range(first, whole, _STORED):
            parts += (_FULL_BLOCK, view[start : start + _STORED])
        self._rest = bytes(view[whole:])
        return parts

    def end(self) -> bytes:
        """Give the last bytes."""
        trailer = struct.pack("<II", self._crc, self._length & 0xFFFFFFFF)
        return self._head() + _stored_header(len(self._rest), last=True) + self._rest + trailer

    def _head(self) -> bytes:
        # Deflate, no flags, no time, no hint on effort, unknown system: RFC 1952, section 2.3.
        head = b"" if self._begun else b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
        self._begun = True
        return head


def stored_gzip_size(length: int) -> int:
    """How long `StoredGzip` makes `length` bytes: a last block is always there, if need be an empty one."""
    return 10 + length + 5 * (length // _STORED + 1) + 8


def _stored_header(length: int, *, last: bool) -> bytes:
    return struct.pack("<BHH", last, length, length ^ 0xFFFF)


_FULL_BLOCK = _stored_header(_STORED, last=False)
