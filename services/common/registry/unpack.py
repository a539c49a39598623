"""Takes plain files out of layers that strangers made: nothing leaves the folder, no link is made, sizes are bounded.

Layers are unpacked in order; a later one replaces files of an earlier one, or removes them by whiteouts
(image spec 1.1, "Layer changesets").
"""

import gzip
import shutil
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from services.common.registry.errors import plain

_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_COPY_BYTES = 1024 * 1024


class BadLayerError(ValueError):
    """The layer cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one layer may hold, unpacked."""

    bytes: int = 64 * 1024**3
    entries: int = 100_000


def unpack(layer: Path, media_type: str, out: Path, wanted: Callable[[str], bool], limits: Limits) -> list[str]:
    """Write the files whose path in the image is wanted below `out`, and give those paths. It blocks."""
    written: list[str] = []
    try:
        with layer.open("rb") as packed, tarfile.open(fileobj=_unpacked(packed, media_type, limits), mode="r|") as tar:
            for count, member in enumerate(tar):
                if count >= limits.entries:
                    raise BadLayerError(f"the layer has more than {limits.entries:,} entries")
                path = _clean(member.name)
                if path.name.startswith(_WHITEOUT):
                    _whiteout(out, path)
                elif not member.isdir() and wanted(str(path)):
                    _write(tar, member, out / path)
                    written.append(str(path))
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadLayerError(f"the layer is no readable {media_type}: {plain(str(error))}") from error
    return written


def _clean(name: str) -> PurePosixPath:
    path = PurePosixPath(name.lstrip("/"))
    if ".." in path.parts or "\0" in name:
        raise BadLayerError(f"the layer has an entry outside of the image: {plain(name)!r}")
    return path


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    source = tar.extractfile(member) if member.isreg() else None
    if source is None:
        raise BadLayerError(f"{plain(member.name)!r} is no plain file (links are not followed)")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        shutil.copyfileobj(source, file, _COPY_BYTES)


def _whiteout(out: Path, path: PurePosixPath) -> None:
    hidden = path.name.removeprefix(_WHITEOUT)
    if hidden in ("", ".", ".."):  # `.wh...` would remove the folder around.
        raise BadLayerError(f"the layer removes an entry outside of the image: {plain(str(path))!r}")
    removed = out / path.parent / ("" if path.name == _OPAQUE else hidden)
    if removed.is_dir():
        shutil.rmtree(removed)
    else:
        removed.unlink(missing_ok=True)


def _unpacked(packed: IO[bytes], media_type: str, limits: Limits) -> IO[bytes]:
    """The tar inside; what stands in the bytes decides, for media types are often wrong."""
    magic = packed.read(4)
    packed.seek(0)
    stream: IO[bytes] = packed
    if magic[:2] == b"\x1f\x8b":
        stream = cast("IO[bytes]", gzip.GzipFile(fileobj=packed))
    elif magic == b"\x28\xb5\x2f\xfd":
        stream = _zstd(packed, media_type)
    return cast("IO[bytes]", _Bounded(stream, limits.bytes))


def _zstd(packed: IO[bytes], media_type: str) -> IO[bytes]:
    try:
        import zstandard  # noqa: PLC0415 - an extra that only such layers need.
    except ImportError:
        raise BadLayerError(f"reading {media_type} needs the package zstandard: pip install zstandard") from None
    return cast("IO[bytes]", zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(packed))


class _Bounded:
    """A stream that refuses to give more than `limit` bytes: a small layer can unpack to any size."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self._stream = stream
        self._left = limit

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise BadLayerError("the layer unpacks to more than is allowed")
        return data
