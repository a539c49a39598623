"""A tar archive read while it arrives: nothing is written to disk, and nothing in it is believed.

Links and devices are only told of, for there is nothing in them to be read. Names that are absolute or hold `..` are
refused, and so is what is too much: members, depth, extended headers.
"""

import tarfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum

_BLOCK = 512
_MAX_NAME = 4096
_MAX_EXTENSION = 1024 * 1024
_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL = b"L", b"K", b"x", b"g"


class BadArchive(ValueError):
    """The archive is broken or not to be trusted; the text says why."""


class Kind(Enum):
    """What a member is."""

    FILE = "a file"
    FOLDER = "a folder"
    LINK = "a link"
    OTHER = "a device or pipe"


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one archive may hold."""

    members: int = 1_000_000
    depth: int = 64


@dataclass(frozen=True, slots=True)
class Member:
    """`name` has no slash at its ends and no empty, `.` or `..` parts."""

    name: str
    kind: Kind
    size: int


class TarStream:
    """Use `async for member in stream`, and `stream.content()` for a file's bytes before the next member."""

    def __init__(self, chunks: AsyncIterator[bytes], limits: Limits | None = None) -> None:
        self._bytes = _Bytes(chunks)
        self._limits = limits or Limits()
        self._left = 0
        self._padding = 0
        self._count = 0

    def __aiter__(self) -> AsyncIterator[Member]:
        return self._members()

    async def content(self) -> AsyncIterator[bytes]:
        """The bytes of the member that was given last."""
        while self._left:
            piece = await self._bytes.some(self._left)
            self._left -= len(piece)
            yield piece

    async def _members(self) -> AsyncIterator[Member]:
        extended: dict[str, str] = {}
        while (header := await self._header()) is not None:
            if header.type in (_PAX, _PAX_GLOBAL, _LONG_NAME, _LONG_LINK):
                extended |= _extension(header, await self._whole())
                continue
            member = self._member(header, extended)
            extended = {}
            if member is not None:
                yield member
        await self._bytes.drain()

    async def _header(self) -> tarfile.TarInfo | None:
        """The next header; None at the archive's end, which is a block of zeros."""
        while self._left:
            self._left -= len(await self._bytes.some(self._left))
        await self._bytes.exactly(self._padding)
        block = await self._bytes.exactly(_BLOCK)
        if block == bytes(_BLOCK):
            return None
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise BadArchive(f"it is no tar archive, or broken: {error}") from error
        self._count += 1
        if self._count > self._limits.members:
            raise BadArchive(f"it has more than {self._limits.members:,} members")
        self._expect(header.size if header.isreg() or header.type in (_PAX, _PAX_GLOBAL, _LONG_NAME, _LONG_LINK) else 0)
        return header

    def _expect(self, size: int) -> None:
        if size < 0:
            raise BadArchive("a member has a negative size")
        self._left, self._padding = size, -size % _BLOCK

    async def _whole(self) -> bytes:
        if self._left > _MAX_EXTENSION:
            raise BadArchive("a member's extended header is larger than 1 MiB")
        return b"".join([piece async for piece in self.content()])

    def _member(self, header: tarfile.TarInfo, extended: dict[str, str]) -> Member | None:
        if any(key.startswith("GNU.sparse") for key in extended) or header.type == tarfile.GNUTYPE_SPARSE:
            raise BadArchive("it holds sparse files, which are not read")
        if "size" in extended:
            self._expect(_number(extended["size"]))
        name = self._clean(extended.get("path", header.name))
        if not name:  # The root itself.
            return None
        return Member(name, _kind(header), self._left)

    def _clean(self, name: str) -> str:
        shown = ascii(name[:100])
        if len(name) > _MAX_NAME or "\0" in name:
            raise BadArchive(f"the name {shown} is not to be trusted")
        if name.startswith("/") or ".." in name.split("/"):
            raise BadArchive(f"the name {shown} leads out of the archive")
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if len(parts) > self._limits.depth:
            raise BadArchive(f"{shown} lies deeper than {self._limits.depth} folders")
        return "/".join(parts)


class _Bytes:
    """Takes what is needed from pieces as they come."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._piece = memoryview(b"")

    async def some(self, most: int) -> bytes:
        """At least one byte."""
        while not self._piece:
            self._piece = memoryview(await anext(self._chunks, b""))
            if not self._piece:
                raise BadArchive("it ends too early")
        taken, self._piece = self._piece[:most], self._piece[most:]
        return bytes(taken)

    async def exactly(self, size: int) -> bytes:
        pieces = []
        while size:
            pieces.append(await self.some(size))
            size -= len(pieces[-1])
        return b"".join(pieces)

    async def drain(self) -> None:
        """Whoever gives the bytes checks them when the last one is taken."""
        async for _ in self._chunks:
            pass


def _kind(header: tarfile.TarInfo) -> Kind:
    if header.isreg():
        return Kind.FILE
    if header.isdir():
        return Kind.FOLDER
    return Kind.LINK if header.issym() or header.islnk() else Kind.OTHER


def _extension(header: tarfile.TarInfo, content: bytes) -> dict[str, str]:
    """What an extended header says of the member that follows it."""
    if header.type == _LONG_NAME:
        return {"path": content.partition(b"\0")[0].decode("utf-8", "surrogateescape")}
    return {} if header.type == _LONG_LINK else _records(content)


def _records(content: bytes) -> dict[str, str]:
    """`<length> <key>=<value>\\n`, as POSIX has it; the length counts the whole record."""
    found: dict[str, str] = {}
    content, at = content.rstrip(b"\0"), 0
    while at < len(content):
        blank = content.find(b" ", at, at + 20)
        end = at + _number(content[at:blank].decode("ascii", "replace")) if blank > at else at
        if not at < blank < end <= len(content) or content[end - 1 : end] != b"\n":
            raise BadArchive("an extended header is broken")
        key, equals, value = content[blank + 1 : end - 1].partition(b"=")
        if not equals:
            raise BadArchive("an extended header is broken")
        # Whatever else it says would be kept until the next member, however many headers come before that.
        if key in (b"path", b"size"):
            found[key.decode()] = value.decode("utf-8", "surrogateescape")
        elif key.startswith(b"GNU.sparse"):
            found["GNU.sparse"] = ""
        at = end
    return found


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        raise BadArchive("an extended header is broken")
    return int(text)
