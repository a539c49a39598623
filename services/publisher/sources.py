"""The image's blobs as streams: the layer packed from the store in one pass, small documents from memory."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from schemas.failures import Reason
from services.common.errors import WorldError
from services.common.layers.plan import Compression, Content, StoredFile, stored_gzip_size, tar_plan, tar_size
from services.common.layers.records import LayerRecord, PackedLayer
from services.common.object_store import ObjectStore
from services.common.registry.ahead import Ahead
from services.common.registry.descriptors import sha256_of

READ_BYTES = 1024 * 1024


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
        raw = hashlib.sha256() if self.record is None else None
        layer = PackedLayer(self._compression, hashing=raw is not None)
        # Two threads, for hashing is most of the work; the layer's own: in a pool's many, buffers fill as many heaps.
        with ThreadPoolExecutor(1, "framing") as thread:
            frame = partial(asyncio.get_running_loop().run_in_executor, thread)
            async with Ahead(self._checked(raw)) as tar:
                async for chunk in tar:
                    yield await frame(lambda piece: b"".join(layer.add(piece)), chunk)
        yield layer.end()
        if raw is not None:
            self.record = layer.record(raw)

    async def _checked(self, raw: "hashlib._Hash | None") -> AsyncIterator[bytes]:
        """The tar, its files being what the adapter's manifest says; `raw` takes in all of it."""
        content = _Content(raw)
        with ThreadPoolExecutor(1, "checking") as thread:
            check = partial(asyncio.get_running_loop().run_in_executor, thread)
            async with Ahead(self._tar()) as tar:
                async for chunk, file in tar:
                    await check(content.add, chunk, file)
                    yield chunk
        content.end()

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


class _Content:
    """What goes into the layer: a file that has ended must be what the adapter's manifest says."""

    def __init__(self, raw: "hashlib._Hash | None") -> None:
        """`raw` takes in all of it; None where that is known."""
        self._raw, self._file_hash = raw, hashlib.sha256()
        self._file: StoredFile | None = None

    def add(self, chunk: bytes, file: StoredFile | None) -> None:
        """Take in a piece, of a file or between files."""
        if file is not self._file:
            self.end()
            self._file, self._file_hash = file, hashlib.sha256()
        if file is not None:
            self._file_hash.update(chunk)
        if self._raw is not None:
            self._raw.update(chunk)

    def end(self) -> None:
        """Check the file that has ended."""
        if self._file is not None and f"sha256:{self._file_hash.hexdigest()}" != self._file.digest:
            raise _damaged(self._file, "is not what the adapter's manifest says")


def _damaged(file: StoredFile, what: str) -> WorldError:
    return WorldError(Reason.INTERNAL, f"{file.key} in the object store {what}")
