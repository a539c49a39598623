"""Bytes into the store in one pass: hashed and uploaded together, kept once for each digest.

The digest is known only when the last byte has gone up, and an object store cannot rename: copying a 1 GiB object
inside MinIO takes as long as sending it. So the bytes stay where they were uploaded, and the first to create the
digest's record decides which upload counts; a second upload of the same bytes is deleted.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from uuid import uuid4

import obstore
from obstore.exceptions import BaseError

from schemas import store_keys
from schemas.failures import Reason
from schemas.records import as_json
from services.common.errors import WorldError
from services.common.object_store import ObjectStore
from services.trainer.stage.files import BlobRecord

PIECE_BYTES = 1024 * 1024
PART_BYTES = 16 * 1024 * 1024
PARTS_AT_ONCE = 3


async def find_blob(store: ObjectStore, digest: str) -> BlobRecord | None:
    """The bytes with this digest (`sha256:<hex>`), if the store has them whole."""
    raw = await store.get(store_keys.dataset_blob(digest.removeprefix("sha256:")))
    if raw is None:
        return None
    record = BlobRecord.model_validate_json(raw)
    return record if await store.size(record.key) == record.size else None


async def store_blob(store: ObjectStore, name: str, chunks: AsyncIterator[bytes]) -> BlobRecord:
    """Upload and hash. Whatever `chunks` raises is raised here, after the upload was aborted."""
    key = store_keys.dataset_upload(uuid4().hex, _safe(name))
    feed = _Feed(chunks)
    await _upload(store, key, feed)
    record = BlobRecord(digest=f"sha256:{feed.hash.hexdigest()}", size=feed.size, key=key)
    return await _first(store, record)


async def _first(store: ObjectStore, record: BlobRecord) -> BlobRecord:
    """The record that counts for this digest: ours, or that of whoever was faster."""
    place = store_keys.dataset_blob(record.digest.removeprefix("sha256:"))
    if await store.create(place, as_json(record)):
        return record
    earlier = await find_blob(store, record.digest)
    if earlier is None:  # Its bytes were removed behind our back: ours take their place.
        await store.put(place, as_json(record))
        return record
    if earlier.key != record.key:
        await store.delete(record.key)
    return earlier


async def _upload(store: ObjectStore, key: str, feed: "_Feed") -> None:
    """A cancelled upload is not dropped: its feed ends with an error, on which the store's client aborts the parts."""
    upload = asyncio.ensure_future(
        obstore.put_async(store.backend, key, feed.pieces(), chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)
    )
    try:
        await asyncio.shield(upload)
    except asyncio.CancelledError:
        feed.stop()
        await asyncio.gather(upload, return_exceptions=True)
        raise
    except Exception as error:
        if feed.error is not None:
            raise feed.error from None
        if isinstance(error, BaseError | OSError):
            raise _unavailable(store, key, error) from error
        raise


class _Feed:
    """Passes pieces on while the one before is hashed in a thread. Keeps what the source raised."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._pieces = regrouped(chunks)
        self._awaited: asyncio.Future[bytes | None] | None = None
        self._stopped = False
        self.hash = hashlib.sha256()
        self.size = 0
        self.error: BaseException | None = None

    def stop(self) -> None:
        """Do not wait for the source any longer."""
        self._stopped = True
        if self._awaited is not None:
            self._awaited.cancel()

    async def pieces(self) -> AsyncIterator[bytes]:
        try:
            hashed: asyncio.Future[None] | None = None
            while (piece := await self._next()) is not None:
                if hashed is not None:
                    await hashed
                hashed = asyncio.ensure_future(asyncio.to_thread(self.hash.update, piece))
                self.size += len(piece)
                yield piece
            if hashed is not None:
                await hashed
        except (Exception, asyncio.CancelledError) as error:
            self.error = error
            raise RuntimeError("the source broke off") from error

    async def _next(self) -> bytes | None:
        if self._stopped:
            raise asyncio.CancelledError
        self._awaited = asyncio.ensure_future(anext(self._pieces, None))
        return await self._awaited


async def regrouped(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pieces of about 1 MiB, so that the cost of a hand-over does not count."""
    gathered: list[bytes] = []
    size = 0
    async for chunk in chunks:
        gathered.append(chunk)
        size += len(chunk)
        if size >= PIECE_BYTES:
            yield gathered[0] if len(gathered) == 1 else b"".join(gathered)
            gathered, size = [], 0
    if gathered:
        yield b"".join(gathered)


def _safe(name: str) -> str:
    """The last part of a name, in characters that every store takes as they are."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name.rpartition("/")[2])[-100:].lstrip(".") or "file"


def _unavailable(store: ObjectStore, key: str, error: Exception) -> WorldError:
    detail = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
    return WorldError(Reason.STORE_UNAVAILABLE, f"the object store {store.address} failed to write {key}: {detail}")
