"""The files of an image's folder, straight from its layers: from the topmost layer down, so that nothing is read twice.

A file counts where it is found first; what a layer removes (whiteouts, image spec 1.1 "Layer changesets") is not looked
for below it.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from services.trainer.dataset.decode import Decoder, Gzip, Identity, Zstd
from services.trainer.stage.limits import check_ratio
from services.trainer.stage.tar_stream import BadArchive, Kind, Member, TarStream

_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"

Content = AsyncIterator[bytes]


@dataclass(slots=True)
class Overlay:
    """What the layers above have decided; names are paths in the image, without a slash at their ends."""

    files: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    emptied: set[str] = field(default_factory=set)

    def hides(self, name: str) -> bool:
        """True when a layer above has this name, or a file in place of a folder around it, or has removed either."""
        around = _around(name)
        return (
            name in self.folders
            or any(not gone.isdisjoint([name, *around]) for gone in (self.files, self.removed))
            or not self.emptied.isdisjoint(around)
        )

    def put_below(self, files: set[str], whiteouts: set[str]) -> None:
        """Go on with the next layer down."""
        self.files |= files
        self.folders.update(folder for name in files for folder in _around(name))
        for name in whiteouts:
            folder, _, base = name.rpartition("/")
            if base == _OPAQUE:
                self.emptied.add(folder)
            else:
                self.removed.add(f"{folder}/{base.removeprefix(_WHITEOUT)}".lstrip("/"))


async def layer_files(
    chunks: AsyncIterator[bytes], overlay: Overlay, root: str, *, ratio: int, label: str
) -> AsyncIterator[tuple[Member, Content]]:
    """Files below `root` that no layer above hides, each to be read before the next; then the overlay knows them."""
    stream = TarStream(_decoded(chunks, ratio, label))
    files: dict[str, str] = {}
    whiteouts: set[str] = set()
    async for member in stream:
        if member.name.rpartition("/")[2].startswith(_WHITEOUT):
            whiteouts.add(member.name)
            continue
        inside = member.name == root or member.name.startswith(f"{root}/")
        if not inside or member.kind is Kind.FOLDER:
            continue
        _refuse(member, root, files)
        files[member.name.casefold()] = member.name
        if not overlay.hides(member.name):
            yield member, stream.content()
    overlay.put_below(set(files.values()), whiteouts)


def _refuse(member: Member, root: str, files: dict[str, str]) -> None:
    """Only plain files with names of their own can be data."""
    shown = ascii(member.name[:100])
    if member.kind is not Kind.FILE:
        raise BadArchive(f"{shown} is {member.kind.value}; put the file itself there")
    if member.name == root:
        raise BadArchive(f"{shown} is in the place of a folder")
    earlier = files.get(member.name.casefold())
    if earlier == member.name:
        raise BadArchive(f"{shown} is in it twice")
    if earlier is not None:
        raise BadArchive(f"{earlier[:100]!a} and {shown} differ only in letter case")


async def _decoded(chunks: AsyncIterator[bytes], ratio: int, label: str) -> AsyncIterator[bytes]:
    """The tar inside; what stands in the bytes decides, for media types are often wrong."""
    decoder: Decoder | None = None
    compressed = expanded = 0
    async for chunk in chunks:
        decoder = decoder or _decoder(chunk)
        compressed += len(chunk)
        pieces = decoder.feed(chunk)
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            expanded += len(piece)
            check_ratio(compressed, expanded, ratio, label)
            yield piece
    if decoder is not None:
        decoder.finish()


def _decoder(first: bytes) -> Decoder:
    if first.startswith(_GZIP):
        return Gzip()
    return Zstd() if first.startswith(_ZSTD) else Identity()


def _around(name: str) -> list[str]:
    """Every folder around a name, the image's root (empty) included."""
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts))]
