"""The image's blobs as streams: the layer packed from the store in one pass, small documents from memory."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from schemas.failures import Reason
from services.common.errors import WorldError
from services.common.object_store import ObjectStore
from services.common.registry.ahead import Ahead
from services.common.registry.descriptors import sha256_of
from services.publisher.layers import (
    MEDIA_TYPES,
    Compression,
    Content,
    StoredFile,
    StoredGzip,
    stored_gzip_size,
    tar_plan,
    tar_size,
)
from services.publisher.records import LayerRecord

READ_BYTES = 1024 * 1024


class Framer(Protocol):
    """Frames a stream of bytes."""

    def add(self, data: bytes) -> bytes:
        """Take in some bytes, give what is ready."""

    def end(self) -> bytes:
        """Give the rest."""


class BytesSource:
    """A document in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.digest = sha256_of(data)
        self.size = len(data)

    async def read(self, offset: int) -> AsyncIterator[bytes]:
        """The bytes from `offset` on."""
        yield self._data[offset:]


class LayerSource:
    """The layer, packed anew at each reading; its first full reading finds out and checks what `record` holds."""

    def __init__(
        self,
        name: str,
        key: str,
        store: ObjectStore,
        files: tuple[StoredFile, ...],
        compression: Compression,
        known: LayerRecord | None,
    ) -> None:
        """`name` is for people; `known` is what an earlier packing of the same files left under `key`."""
        self.name = name
        self.key = key
        self._store = store
        self._files: Mapping[str, StoredFile] = {file.entry.path: file for file in files}
        self._entries = tuple(file.entry for file in files)
        self._compression = compression
        self.record = known

    @property
    def digest(self) -> str | None:
        """Known once the layer was read to its end."""
        return self.record.digest if self.record else None

    @property
    def size(self) -> int:
        """The packed length; a compressed one is known only after `measure`."""
        if self.record is not None:
            return self.record.size
        length = tar_size(self._entries)
        if self._compression == "zstd":
            raise RuntimeError("a compressed layer is measured before it is sent")
        return stored_gzip_size(length) if self._compression == "gzip" else length

    async def measure(self) -> None:
        """Pack once without sending, where the length cannot be computed."""
        if self.record is None and self._compression == "zstd":
            async for _ in self.read(0):
                pass

    async def read(self, offset: int) -> AsyncIterator[bytes]:
        """The packed bytes from `offset` on. A file that is not what its manifest says ends it with a `WorldError`."""
        position = 0
        async for piece in self._packed():
            fresh = piece[max(0, offset - position) :]
            position += len(piece)
            if fresh:
                yield fresh

    async def _packed(self) -> AsyncIterator[bytes]:
        packing = _Packing(_framer(self._compression), hashing=self.record is None)
        loop = asyncio.get_running_loop()
        # A thread of the layer's own: in a pool's many, buffers pile up in as many heaps.
        with ThreadPoolExecutor(1, "packing") as thread:
            async with Ahead(self._tar()) as tar:
                async for chunk, file in tar:
                    yield await loop.run_in_executor(thread, packing.add, chunk, file)
        yield packing.end()
        self.record = self.record or packing.record(MEDIA_TYPES[self._compression])

    async def _tar(self) -> AsyncIterator[tuple[bytes, StoredFile | None]]:
        for piece in tar_plan(self._entries):
            if isinstance(piece, Content):
                async for chunk in self._content(self._files[piece.entry.path]):
                    yield chunk
            else:
                yield piece, None

    async def _content(self, file: StoredFile) -> AsyncIterator[tuple[bytes, StoredFile]]:
        length = 0
        try:
            async for chunk in self._store.stream(file.key, READ_BYTES):
                length += len(chunk)
                yield chunk, file
        except KeyError:
            length = -1
        if length != file.entry.size:
            raise _damaged(file, "is missing or has another length than the adapter's manifest says")


class _Packing:
    """One pass over the tar: what goes out, and the hashes of what went in."""

    def __init__(self, framer: Framer, *, hashing: bool) -> None:
        """Without `hashing` only the files are checked: the layer's own digests are known."""
        self._framer = framer
        self._hashing = hashing
        self._raw, self._packed, self._file_hash = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
        self._file: StoredFile | None = None
        self._size = 0

    def add(self, chunk: bytes, file: StoredFile | None) -> bytes:
        """Hash what goes in, and frame it; a file that has ended must be what the adapter's manifest says."""
        if file is not self._file:
            self._check_file()
            self._file, self._file_hash = file, hashlib.sha256()
        if file is not None:
            self._file_hash.update(chunk)
        if self._hashing:
            self._raw.update(chunk)
        return self._out(self._framer.add(chunk))

    def end(self) -> bytes:
        """The last bytes."""
        self._check_file()
        return self._out(self._framer.end())

    def record(self, media_type: str) -> LayerRecord:
        """What was found out, after the end."""
        digest, diff_id = (f"sha256:{running.hexdigest()}" for running in (self._packed, self._raw))
        return LayerRecord(digest=digest, size=self._size, diff_id=diff_id, media_type=media_type)

    def _out(self, piece: bytes) -> bytes:
        self._size += len(piece)
        if self._hashing:
            self._packed.update(piece)
        return piece

    def _check_file(self) -> None:
        if self._file is not None and f"sha256:{self._file_hash.hexdigest()}" != self._file.digest:
            raise _damaged(self._file, "is not what the adapter's manifest says")


class _Plain:
    def add(self, data: bytes) -> bytes:
        return data

    def end(self) -> bytes:
        return b""


class _Zstd:
    def __init__(self) -> None:
        import zstandard  # noqa: PLC0415 - only who asks for it needs the library.

        # Level 1 packs weights as small as 9 does (`bench/publishing.py`).
        self._packer = zstandard.ZstdCompressor(level=1).compressobj()

    def add(self, data: bytes) -> bytes:
        return self._packer.compress(data)

    def end(self) -> bytes:
        return self._packer.flush()


def _framer(compression: Compression) -> Framer:
    match compression:
        case "none":
            return _Plain()
        case "gzip":
            return StoredGzip()
        case "zstd":
            return _Zstd()


def _damaged(file: StoredFile, what: str) -> WorldError:
    return WorldError(Reason.INTERNAL, f"{file.key} in the object store {what}")
