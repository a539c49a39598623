"""The image's blobs as streams: the layer packed from the store in one pass, small documents from memory."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
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

READ_BYTES = 2 * 1024 * 1024


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
        framer, raw, packed = _framer(self._compression), hashlib.sha256(), hashlib.sha256()
        size = 0
        async with Ahead(self._tar()) as tar:
            async for chunk in tar:
                piece, _ = await asyncio.gather(
                    asyncio.to_thread(framer.add, chunk), asyncio.to_thread(raw.update, chunk)
                )
                await asyncio.to_thread(packed.update, piece)
                size += len(piece)
                yield piece
        tail = framer.end()
        packed.update(tail)
        self.record = self.record or LayerRecord(
            digest=f"sha256:{packed.hexdigest()}",
            size=size + len(tail),
            diff_id=f"sha256:{raw.hexdigest()}",
            media_type=MEDIA_TYPES[self._compression],
        )
        if tail:
            yield tail

    async def _tar(self) -> AsyncIterator[bytes]:
        for piece in tar_plan(self._entries):
            if isinstance(piece, Content):
                async for chunk in self._content(self._files[piece.entry.path]):
                    yield chunk
            elif piece:
                yield piece

    async def _content(self, file: StoredFile) -> AsyncIterator[bytes]:
        running, length = hashlib.sha256(), 0
        try:
            async for chunk in self._store.stream(file.key, READ_BYTES):
                await asyncio.to_thread(running.update, chunk)
                length += len(chunk)
                yield chunk
        except KeyError:
            raise _damaged(self._store, file, "is not there") from None
        if length != file.entry.size or f"sha256:{running.hexdigest()}" != file.digest:
            raise _damaged(self._store, file, "is not what the adapter's manifest says")


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


def _damaged(store: ObjectStore, file: StoredFile, what: str) -> WorldError:
    return WorldError(Reason.INTERNAL, f"{file.key} in the object store {store.address} {what}")
