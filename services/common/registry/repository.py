"""One repository of a registry: look up, read with verification, put manifests. Digests are checked on every path."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import stamina

from schemas.references import ImageReference
from services.common.registry.answers import Answer
from services.common.registry.descriptors import (
    INDEX_TYPES,
    MANIFEST_TYPES,
    MAX_MANIFEST_BYTES,
    Descriptor,
    Index,
    Manifest,
    hasher,
    is_digest,
    matches,
    sha256_of,
)
from services.common.registry.docker_config import Credential
from services.common.registry.errors import NotFound, RegistryRefused, RegistryUnavailable
from services.common.registry.origins import Origin
from services.common.registry.transport import Note, Transport, wait

READ_BYTES = 1024 * 1024
_BLOB_UNKNOWN = "MANIFEST_BLOB_UNKNOWN"
_ACCEPT = ", ".join((*MANIFEST_TYPES, *INDEX_TYPES))


@dataclass(frozen=True, slots=True)
class Fetched:
    """A manifest or an index as its bytes, of which `digest` is the digest."""

    raw: bytes
    digest: str
    media_type: str


class Repository:
    """The verbs on one repository."""

    def __init__(self, transport: Transport, path: str, *, also_pull: Collection[str] = ()) -> None:
        """`also_pull` are repositories on the same registry that blobs may be mounted from."""
        self.transport = transport
        self.path = path
        self.also_pull = tuple(also_pull)

    @property
    def host(self) -> str:
        """The registry as references name it."""
        return self.transport.origin.host

    @property
    def pull_scope(self) -> str:
        """What reading asks of a token server."""
        return f"repository:{self.path}:pull"

    @property
    def push_scope(self) -> str:
        """What pushing asks of a token server."""
        return f"repository:{self.path}:pull,push"

    def mount_scope(self, path: str) -> str:
        """What mounting from a neighbour asks. Some servers give no token at all where that one is not ours to read."""
        return f"{self.push_scope} repository:{path}:pull"

    def url(self, *parts: str) -> str:
        """An address below the repository."""
        return "/".join([self.transport.origin.url, "v2", self.path, *(quote(part, safe=":") for part in parts)])

    async def resolve(self, name: str, *, scope: str | None = None) -> str | None:
        """The digest behind a tag (or digest), None when there is none."""
        answer = await self.transport.request(
            "HEAD",
            self.url("manifests", name),
            scope or self.pull_scope,
            what=f"{self.path}:{name} cannot be looked up",
            ok=(200, 404),
            headers={"Accept": _ACCEPT},
        )
        digest = answer.headers.get("Docker-Content-Digest", "")
        if answer.status == 404:
            return None
        # A registry need not name the digest; then the manifest itself says it.
        return digest if is_digest(digest) else (await self.manifest(name, scope=scope)).digest

    async def manifest(self, name: str, *, scope: str | None = None, tries: int | None = None) -> Fetched:
        """Read a manifest or index by tag or digest; raises `NotFound`. Bytes must fit the digest."""
        answer = await self.transport.request(
            "GET",
            self.url("manifests", name),
            scope or self.pull_scope,
            what=f"{self.path}:{name} cannot be read",
            ok=(200,),
            headers={"Accept": _ACCEPT},
            tries=tries,
        )
        digest = name if is_digest(name) else answer.headers.get("Docker-Content-Digest", sha256_of(answer.body))
        if not is_digest(digest) or not matches(answer.body, digest):
            raise RegistryUnavailable(self.host, f"{self.path}:{name}: the manifest is not what its digest says")
        return Fetched(answer.body, digest, answer.headers.get("Content-Type", "").partition(";")[0].strip())

    async def image(self, name: str) -> tuple[Manifest, str]:
        """Read an image's manifest and its digest; of an index, the image that suits us."""
        fetched = await self.manifest(name)
        try:
            if fetched.media_type in INDEX_TYPES:
                chosen = Index.read(fetched.raw).choose()
                if chosen is None:
                    raise NotFound(self.host, f"{self.path}:{name} is an index without an image")
                fetched = await self.manifest(chosen.digest)
            return Manifest.read(fetched.raw), fetched.digest
        except ValueError as error:
            raise RegistryRefused(self.host, f"{self.path}:{name} is no OCI image: {error}") from None

    async def blob_size(self, digest: str, *, scope: str | None = None) -> int | None:
        """The length of a blob that the registry has, None when it has it not."""
        answer = await self.transport.request(
            "HEAD",
            self.url("blobs", digest),
            scope or self.pull_scope,
            what=f"{self.path}@{digest} cannot be looked up",
            ok=(200, 404),
        )
        return None if answer.status == 404 else int(answer.headers.get("Content-Length", "-1"))

    async def blob(self, descriptor: Descriptor) -> AsyncIterator[bytes]:
        """Stream a blob; a broken connection is resumed. Wrong bytes raise after the last one: use them only then."""
        running, done = hasher(descriptor.digest), 0
        async for attempt in stamina.retry_context(on=wait, attempts=6, timeout=None, wait_max=10):
            with attempt:
                async for chunk in self._blob_from(descriptor, done):
                    done += len(chunk)
                    running.update(chunk)
                    yield chunk
        if f"{running.name}:{running.hexdigest()}" != descriptor.digest:
            raise RegistryUnavailable(
                self.host, f"{self.path}@{descriptor.digest}: the bytes are not what they should be"
            )

    async def small_blob(self, descriptor: Descriptor, limit: int = MAX_MANIFEST_BYTES) -> bytes:
        """Read a small blob whole."""
        if descriptor.size > limit:
            raise RegistryRefused(self.host, f"{self.path}@{descriptor.digest} has more than {limit:,} bytes")
        return b"".join([chunk async for chunk in self.blob(descriptor)])

    async def put_manifest(self, name: str, raw: bytes, media_type: str) -> Answer:
        """Put a manifest under a tag or its digest; the registry's own digest of it must be ours."""
        try:
            answer = await self.transport.request(
                "PUT",
                self.url("manifests", name),
                self.push_scope,
                what=f"{self.path}:{name} cannot be written",
                ok=(200, 201, 202),
                body=raw,
                headers={"Content-Type": media_type},
            )
        except RegistryRefused as error:
            # It had the blob, or said so; its clearing up may have come between. The blob can be pushed again.
            if _BLOB_UNKNOWN in str(error):
                raise RegistryUnavailable(self.host, f"has lost a blob of {self.path}:{name} again") from error
            raise
        told = answer.headers.get("Docker-Content-Digest")
        if told is not None and told != sha256_of(raw):
            raise RegistryUnavailable(
                self.host, f"{self.path}:{name}: the registry took another manifest than was sent"
            )
        return answer

    async def _blob_from(self, descriptor: Descriptor, done: int) -> AsyncIterator[bytes]:
        if done == descriptor.size:
            return
        headers = {"Range": f"bytes={done}-"} if done else {}
        what = f"{self.path}@{descriptor.digest} cannot be read"
        url = self.url("blobs", descriptor.digest)
        async with self.transport.stream(url, self.pull_scope, what=what, headers=headers) as response:
            # A server that does not know ranges sends everything again.
            skip, left = (done if response.status == 200 else 0), descriptor.size - done
            async for chunk in response.content.iter_chunked(READ_BYTES):
                fresh, skip = chunk[skip:], max(0, skip - len(chunk))
                left -= len(fresh)
                if left < 0:
                    raise RegistryUnavailable(self.host, f"{what}: it has more than {descriptor.size:,} bytes")
                if fresh:
                    yield fresh
            if left:
                raise RegistryUnavailable(self.host, f"{what}: {left:,} bytes are missing")


@asynccontextmanager
async def open_repository(
    reference: ImageReference,
    credential: Credential | None = None,
    *,
    insecure: Collection[str] = (),
    ca_file: Path | None = None,
    also_pull: Collection[str] = (),
    tries: int = 4,
    silence_seconds: float = 60.0,
    allow: Collection[str] | None = None,
    note: Note = lambda *_: None,
) -> AsyncIterator[Repository]:
    """Open the repository that a reference names. Nothing is sent yet."""
    origin = Origin.of(reference.domain, insecure)
    async with Transport(
        origin, credential, ca_file=ca_file, tries=tries, silence_seconds=silence_seconds, allow=allow, note=note
    ) as transport:
        yield Repository(transport, reference.path, also_pull=also_pull)
