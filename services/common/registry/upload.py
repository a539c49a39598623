"""Pushes one blob: looked for first, mounted from a neighbour if one has it, else sent in chunks.

A broken upload goes on at the offset that the registry itself names; one that is given up is cancelled there. The
digest need not be known before: it is asked of the source once every byte was read, so that large layers are read,
hashed and sent in one pass.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Protocol
from urllib.parse import urlencode

from services.common.registry.ahead import Ahead
from services.common.registry.answers import Answer
from services.common.registry.errors import NotFound, RegistryError, RegistryRefused, RegistryUnavailable
from services.common.registry.repository import Repository
from services.common.registry.transport import Body

CHUNK_BYTES = 64 * 1024 * 1024
SMALL_BYTES = 1024 * 1024
_PIECES_AHEAD = 32
"""Packed while the registry writes a chunk to its disk, and the most of the blob that waits in memory."""
_GOODBYE_SECONDS = 5.0
_SESSION_CODES = ("DIGEST_INVALID", "SIZE_INVALID", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "RANGE_INVALID")
OnBytes = Callable[[int], None]
"""Told how many bytes of the blob the registry has."""


class Source(Protocol):
    """Bytes to push, which can be read again from any offset."""

    @property
    def digest(self) -> str | None:
        """Known beforehand, or at the latest after `read` came to its end."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    def read(self, offset: int) -> AsyncIterator[bytes]:
        """The bytes from `offset` on, in pieces of moderate size."""


async def push_blob(
    repository: Repository,
    source: Source,
    *,
    mount_from: str | None = None,
    on_bytes: OnBytes = lambda _: None,
    chunk_bytes: int | None = None,
) -> bool:
    """Make the registry have the blob; False when it had it already."""
    if source.digest and await repository.blob_size(source.digest, scope=repository.push_scope) == source.size:
        on_bytes(source.size)
        return False
    upload = _Upload(repository, source, mount_from, on_bytes, chunk_bytes or CHUNK_BYTES)
    try:
        await upload.persist()
    except BaseException:
        await upload.give_up()
        raise
    return True


class _Upload:
    """One upload session, begun anew when the registry has forgotten it."""

    def __init__(
        self, repository: Repository, source: Source, mount_from: str | None, on_bytes: OnBytes, chunk_bytes: int
    ) -> None:
        self._repository = repository
        self._source = source
        self._mount_from = mount_from
        self._on_bytes = on_bytes
        self._chunk_bytes = chunk_bytes
        self._location: str | None = None
        self._offset = self._asked_at = 0

    async def persist(self) -> None:
        """Go on until the blob is there, or the upload stands still."""
        while True:
            try:
                async for attempt in self._repository.transport.tries():
                    with attempt:
                        await self.go_on()
            except RegistryUnavailable:
                # As long as it moves it is worth going on: only the session that is left behind knows how far it is.
                if not self.has_moved():
                    raise
            else:
                return

    async def go_on(self) -> None:
        """Bring the upload to its end from wherever it stands."""
        if self._location is None or self._small:
            if await self._start():
                return
        else:
            await self._find_offset()
        if self._small:
            await self._finish(lambda: self._source.read(0))
            return
        await self._send()
        await self._finish(None)

    async def give_up(self) -> None:
        """Tell the registry, if it listens, that no more comes: it may keep for days what it has of the blob."""
        if self._location is not None:
            with suppress(RegistryError, TimeoutError):
                async with asyncio.timeout(_GOODBYE_SECONDS):
                    await self._ask("DELETE", self._location, "the upload cannot be cancelled", ok=(202, 204))

    def has_moved(self) -> bool:
        """True when the registry has got on by a useful piece since this was asked last."""
        moved = self._offset >= self._asked_at + SMALL_BYTES
        self._asked_at = max(self._offset, self._asked_at)
        return moved

    @property
    def _small(self) -> bool:
        return self._source.digest is not None and self._source.size <= SMALL_BYTES

    async def _start(self) -> bool:
        """Open a session; True when the blob was mounted instead."""
        url = self._repository.url("blobs", "uploads", "")
        answer = await self._mount(url) or await self._ask("POST", url, "an upload cannot be begun", ok=(202,))
        if answer.status == 201:
            self._on_bytes(self._source.size)
            return True
        self._offset = 0
        self._moved(answer)
        return False

    async def _mount(self, url: str) -> Answer | None:
        """Ask for the neighbour's blob; the answer may be a session instead. One that we may not have is let be."""
        if self._mount_from is None or self._source.digest is None:
            return None
        url = f"{url}?{urlencode({'mount': self._source.digest, 'from': self._mount_from})}"
        scope = self._repository.mount_scope(self._mount_from)
        try:
            answer = await self._ask("POST", url, "a blob cannot be mounted", ok=(201, 202), scope=scope)
        except RegistryRefused:
            answer = None
        if answer is None or self._names_another(answer):
            self._mount_from = answer = None
        return answer

    async def _find_offset(self) -> None:
        try:
            answer = await self._ask("GET", self._location or "", "the upload cannot be resumed", ok=(204,))
        except RegistryRefused as error:
            self._location = None
            raise RegistryUnavailable(error.host, "has forgotten the upload, it begins anew") from error
        self._offset = _end_of_range(answer.headers.get("Range"), self._repository.host)
        if self._offset > self._source.size:
            self._location = None
            raise RegistryUnavailable(self._repository.host, "says that it has more of the blob than there is")
        self._moved(answer)

    async def _send(self) -> None:
        async with Ahead(self._source.read(self._offset), _PIECES_AHEAD) as stream:
            pieces = _Pieces(stream)
            while self._offset < self._source.size:
                await self._send_chunk(pieces, min(self._chunk_bytes, self._source.size - self._offset))
            await pieces.drain()

    async def _send_chunk(self, pieces: "_Pieces", length: int) -> None:
        begun = sent = self._offset

        async def body() -> AsyncIterator[bytes]:
            nonlocal sent
            async for piece in pieces.take(length):
                yield piece
                sent += len(piece)
                self._on_bytes(sent)

        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(length),
            "Content-Range": f"{begun}-{begun + length - 1}",
        }
        try:
            # A stream: its bytes are gone once they were sent. The next try asks for the offset first.
            answer = await self._ask(
                "PATCH", self._location or "", "a chunk was refused", ok=(201, 202, 204), body=body(), headers=headers
            )
        except RegistryRefused as error:
            if _lost_count(error):
                raise RegistryUnavailable(error.host, "lost count of the upload") from error
            raise
        self._moved(answer)
        has = _end_of_range(answer.headers.get("Range", f"0-{sent - 1}"), self._repository.host)
        if not sent == has == begun + length:
            raise RegistryUnavailable(self._repository.host, f"took {has:,} bytes where {begun + length:,} were meant")
        self._offset = has

    async def _finish(self, body: Callable[[], AsyncIterator[bytes]] | None) -> None:
        digest = self._source.digest
        if digest is None:
            raise RuntimeError("a source that was read to its end knows its digest")
        location = self._location or ""
        # The address may be signed, so it is not parsed and written anew.
        url = f"{location}{'&' if '?' in location else '?'}{urlencode({'digest': digest})}"
        headers = {"Content-Length": str(self._source.size)} if body else {}
        try:
            answer = await self._ask("PUT", url, "the blob was not taken", ok=(201, 204), body=body, headers=headers)
        except (RegistryRefused, RegistryUnavailable) as error:
            if isinstance(error, RegistryRefused) and not _lost_count(error):
                raise
            # The answer may be what was lost, not the blob.
            if await self._repository.blob_size(digest, scope=self._repository.push_scope) == self._source.size:
                self._on_bytes(self._source.size)
                return
            if isinstance(error, RegistryUnavailable):
                raise
            self._location = None
            raise RegistryUnavailable(error.host, "has forgotten the upload, it begins anew") from error
        if self._names_another(answer):
            self._location = None
            raise RegistryUnavailable(self._repository.host, "names another digest for the blob than its bytes have")
        self._on_bytes(self._source.size)

    def _names_another(self, answer: Answer) -> bool:
        told = answer.headers.get("Docker-Content-Digest")
        return told is not None and told != self._source.digest

    async def _ask(
        self,
        method: str,
        url: str,
        what: str,
        *,
        ok: tuple[int, ...],
        body: Body = None,
        headers: dict[str, str] | None = None,
        scope: str | None = None,
    ) -> Answer:
        repository = self._repository
        return await repository.transport.request(
            method,
            url,
            scope or repository.push_scope,
            what=f"{repository.path}: {what}",
            ok=ok,
            body=body,
            headers={"Content-Length": "0", **(headers or {})} if method != "GET" else headers,
            tries=1,
        )

    def _moved(self, answer: Answer) -> None:
        location = answer.headers.get("Location")
        if location:
            self._location = self._repository.transport.origin.follow(location, answer.url)
        elif self._location is None:
            raise RegistryUnavailable(self._repository.host, "names no place to upload to")


class _Pieces:
    """A stream of bytes, taken in lengths of our choice."""

    def __init__(self, stream: AsyncIterator[bytes]) -> None:
        self._stream = stream
        self._rest = b""

    async def take(self, length: int) -> AsyncIterator[bytes]:
        """The next `length` bytes."""
        while length:
            piece = self._rest or await anext(self._stream, b"")
            if not piece:
                raise RuntimeError("the source ended before its size")
            self._rest, piece = piece[length:], piece[:length]
            length -= len(piece)
            yield piece

    async def drain(self) -> None:
        """Let the source come to its end, so that it knows its digest."""
        async for piece in self._stream:
            if piece:
                raise RuntimeError("the source goes on after its size")


def _lost_count(error: RegistryRefused) -> bool:
    """True when the registry's no is about this session or what has come through of it, not about us."""
    return isinstance(error, NotFound) or error.status == 416 or any(code in str(error) for code in _SESSION_CODES)


def _end_of_range(header: str | None, host: str) -> int:
    """`0-1023` (or `bytes=0-1023`) means that 1,024 bytes are there; `0-0` and no header mean none."""
    last = (header or "0-0").removeprefix("bytes=").partition("-")[2]
    if not last.isascii() or not last.isdigit() or len(last) > 18:
        raise RegistryUnavailable(host, "names no offset to resume at")
    return int(last) + 1 if int(last) else 0
