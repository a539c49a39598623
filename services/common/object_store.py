"""The object store behind `LORABUS_STORE`: a local folder (`file://`) or a bucket (`s3://`), through obstore.

The one power that lorabus needs of a store is create-if-absent: `create` succeeds for exactly one caller.
"""

import asyncio
import atexit
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import uuid4

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError, PreconditionError
from obstore.store import LocalStore, S3Store
from obstore.store import ObjectStore as Backend

from schemas.failures import Reason
from services.common.errors import StartError, Unreachable, WorldError
from services.common.folder_files import create_file
from services.common.native_threads import leave_python
from services.common.settings import Settings, text_of

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config

PART_BYTES = 16 * 1024 * 1024
PARTS_AT_ONCE = 4
Note = Callable[[str, float, str], None]
"""`note(operation, seconds, fault)`: one request; the fault is the name of its error, or empty."""
_ABSENT = (NotFoundError, FileNotFoundError)
_PRESENT = (AlreadyExistsError, PreconditionError, FileExistsError)
_VERBS = {"put": "write", "get": "read", "head": "look up", "upload": "write"}


class ObjectStore:
    """Keys to bytes. Every fault of the store is a `WorldError(StoreUnavailable)` that names the store's address."""

    def __init__(self, backend: Backend, address: str, note: Note = lambda *_: None) -> None:
        """Wrap an obstore backend; `address` is how messages name it, `note` is told of each request."""
        self.backend = backend
        self.address = address
        self._note = note
        self._folder = backend.prefix if isinstance(backend, LocalStore) else None

    async def create(self, key: str, data: bytes) -> bool:
        """Write `key` if it is absent. True for the one caller that wrote it, False when it was there.

        A request that was sent again after a lost answer finds its own bytes: they count as written, so
        callers whose outcome matters put something unique into `data`.
        """
        try:
            with self._asking("create", key, _PRESENT):
                if self._folder is not None:
                    create_file(self._folder, key, data)
                else:
                    await obstore.put_async(self.backend, key, data, mode="create", use_multipart=False)
        except _PRESENT:
            return await self.get(key) == data
        return True

    async def put(self, key: str, data: bytes) -> None:
        """Write `key`, whatever was there; readers see the old bytes or the new ones, never a part."""
        with self._asking("put", key):
            await obstore.put_async(self.backend, key, data)

    async def get(self, key: str) -> bytes | None:
        """Read `key` whole (for small objects); None when it is absent."""
        try:
            with self._asking("get", key, _ABSENT):
                answer = await obstore.get_async(self.backend, key)
                return bytes(await answer.bytes_async())
        except _ABSENT:
            return None

    async def stream(self, key: str, chunk_bytes: int = 4 * 1024 * 1024) -> AsyncIterator[bytes]:
        """Read `key` in pieces of about `chunk_bytes`; raises `KeyError` when it is absent."""
        try:
            with self._asking("get", key, _ABSENT):
                answer = await obstore.get_async(self.backend, key)
            if self._folder is not None:
                # Its own stream makes a step every 8 KiB: 200 MB take 1.3 s, and 0.1 s as a plain file.
                with (self._folder / key).open("rb", buffering=0) as file:
                    while piece := await asyncio.to_thread(file.read, chunk_bytes):
                        yield piece
                return
            async for chunk in answer.stream(min_chunk_size=chunk_bytes):
                yield bytes(chunk)
        except _ABSENT as error:
            raise KeyError(key) from error
        except (BaseError, OSError) as error:
            self._note("get", 0.0, type(error).__name__)
            raise self._unavailable("get", key, error) from error

    async def size(self, key: str) -> int | None:
        """Give the object's length in bytes; None when it is absent."""
        try:
            with self._asking("head", key, _ABSENT):
                return int((await obstore.head_async(self.backend, key))["size"])
        except _ABSENT:
            return None

    async def exists(self, key: str) -> bool:
        """Tell whether `key` is there."""
        return await self.size(key) is not None

    async def list(self, prefix: str) -> list[str]:
        """Give every key below `prefix` (which ends with a slash), sorted."""
        try:
            with self._asking("list", prefix, _ABSENT):
                batches = [batch async for batch in obstore.list(self.backend, prefix.rstrip("/"))]
        except _ABSENT:
            return []
        return sorted(str(item["path"]) for batch in batches for item in batch)

    async def delete(self, *keys: str) -> None:
        """Remove keys; those that are absent are no fault."""
        with suppress(*_ABSENT), self._asking("delete", keys[0], _ABSENT):
            await obstore.delete_async(self.backend, list(keys))

    async def upload(self, key: str, path: Path) -> None:
        """Copy a local file to `key`, in parts when it is large."""
        with self._asking("upload", key):
            await obstore.put_async(self.backend, key, path, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)

    async def download(self, key: str, path: Path) -> None:
        """Copy `key` to a local file; raises `KeyError` when it is absent. Nothing half-written stays."""
        part = path.with_name(f"{path.name}.{uuid4().hex[:8]}.part")
        try:
            with part.open("wb") as file:
                async for chunk in self.stream(key):
                    await asyncio.to_thread(file.write, chunk)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    @contextmanager
    def _asking(self, operation: str, key: str, answers: tuple[type[Exception], ...] = ()) -> Iterator[None]:
        """Note one request; its fault becomes a `WorldError`, but for `answers`, which say something of the key."""
        began, fault = perf_counter(), ""
        try:
            yield
        except answers:
            raise
        except (BaseError, OSError) as error:
            fault = type(error).__name__
            raise self._unavailable(operation, key, error) from error
        finally:
            self._note(operation, perf_counter() - began, fault)

    def _unavailable(self, operation: str, key: str, error: Exception) -> WorldError:
        detail = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        verb = _VERBS.get(operation, operation)
        return WorldError(Reason.STORE_UNAVAILABLE, f"the object store {self.address} failed to {verb} {key}: {detail}")


def open_store(settings: Settings, note: Note = lambda *_: None) -> ObjectStore:
    """Build the store that `LORABUS_STORE` names; a malformed address is a `StartError`. `note` hears of requests."""
    parts = urlsplit(settings.store)
    atexit.register(leave_python)
    if parts.scheme == "file" and not parts.netloc and parts.path:
        folder = Path(parts.path)
        folder.mkdir(parents=True, exist_ok=True)
        return ObjectStore(LocalStore(prefix=folder, mkdir=True), settings.store, note)
    if parts.scheme == "s3" and parts.netloc:
        return ObjectStore(_bucket(parts.netloc, parts.path.strip("/"), settings), _address(settings), note)
    raise StartError(f"LORABUS_STORE must be file:///folder or s3://bucket/prefix, not {settings.store!r}")


async def prove_create_if_absent(store: ObjectStore) -> None:
    """Refuse to run on a store that lets two callers create the same key: claims would mean nothing."""
    key = f"probes/{uuid4().hex}"
    try:
        first, second = await store.create(key, b"1"), await store.create(key, b"2")
        kept = await store.get(key)
        await store.delete(key)
    except WorldError as error:
        raise Unreachable("the object store", store.address, error.message) from error
    if (first, second, kept) != (True, False, b"1"):
        raise StartError(
            f"the object store {store.address} does not honour create-if-absent (If-None-Match: *), on which "
            "claims rest; use MinIO, S3, GCS or a local folder"
        )


def _bucket(bucket: str, prefix: str, settings: Settings) -> S3Store:
    options: ClientConfig = {
        "allow_http": (settings.s3_endpoint or "").startswith("http://"),
        "timeout": "3600s",
        "read_timeout": "30s",
        "connect_timeout": "5s",
    }
    if settings.s3_ca_file is not None:
        options["root_certificate"] = text_of(settings.s3_ca_file, "LORABUS_S3_CA_FILE")
    # obstore takes no None: what is not set must not be named.
    where: S3Config = {"endpoint": settings.s3_endpoint} if settings.s3_endpoint else {}
    return S3Store(
        bucket,
        prefix=prefix or None,
        config=where | _login(settings),
        region=settings.s3_region,
        virtual_hosted_style_request=False,
        unsigned_payload=True,
        client_options=options,
    )


def _login(settings: Settings) -> "S3Config":
    if settings.s3_access_key is None:
        return {"skip_signature": True}
    secret = settings.s3_secret()
    if secret is None:
        raise StartError("LORABUS_S3_ACCESS_KEY needs LORABUS_S3_SECRET_KEY_FILE or LORABUS_S3_SECRET_KEY")
    return {"access_key_id": settings.s3_access_key, "secret_access_key": secret}


def _address(settings: Settings) -> str:
    return f"{settings.store} on {settings.s3_endpoint}" if settings.s3_endpoint else settings.store
