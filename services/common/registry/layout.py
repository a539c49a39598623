"""Reads an OCI image layout in a folder (image spec 1.1). Digests are checked, links not followed."""

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path

from services.common.registry.descriptors import (
    INDEX_TYPES,
    MAX_MANIFEST_BYTES,
    Descriptor,
    Index,
    Manifest,
    hasher,
    matches,
)
from services.common.registry.errors import NotFound, RegistryRefused

REF_NAME = "org.opencontainers.image.ref.name"
_READ_BYTES = 1024 * 1024


class Layout:
    """The verbs on one layout; the same ones that a `Repository` has for reading."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read yet."""
        self._folder = folder
        self.host = str(folder)

    async def image(self, name: str = "") -> tuple[Manifest, str]:
        """Read an image by tag or digest (without one: the newest) and give its digest."""
        try:
            index = Index.read(await asyncio.to_thread(self._file, "index.json"))
            chosen = _choose(index, name)
            while chosen is not None and chosen.media_type in INDEX_TYPES:
                chosen = Index.read(await self.small_blob(chosen)).choose()
            if chosen is None:
                raise NotFound(self.host, f"the layout has no image {name}".rstrip())
            return Manifest.read(await self.small_blob(chosen)), chosen.digest
        except ValueError as error:
            raise RegistryRefused(self.host, f"is no OCI image layout: {error}") from None
        except FileNotFoundError as error:
            raise RegistryRefused(self.host, f"is no OCI image layout: no {Path(error.filename).name}") from None

    async def blob(self, descriptor: Descriptor) -> AsyncIterator[bytes]:
        """Stream a blob; wrong bytes raise after the last one."""
        algorithm, _, digits = descriptor.digest.partition(":")
        running, path = hasher(descriptor.digest), self._folder / "blobs" / algorithm / digits
        _regular(path)
        with path.open("rb") as file:
            while chunk := await asyncio.to_thread(file.read, _READ_BYTES):
                running.update(chunk)
                yield chunk
        if running.hexdigest() != digits:
            raise RegistryRefused(self.host, f"{descriptor.digest} is damaged: its bytes have another digest")

    async def small_blob(self, descriptor: Descriptor, limit: int = MAX_MANIFEST_BYTES) -> bytes:
        """Read a small blob whole."""
        if descriptor.size > limit:
            raise RegistryRefused(self.host, f"{descriptor.digest} has more than {limit:,} bytes")
        raw = b"".join([chunk async for chunk in self.blob(descriptor)])
        if not matches(raw, descriptor.digest):
            raise RegistryRefused(self.host, f"{descriptor.digest} is damaged: its bytes have another digest")
        return raw

    def _file(self, name: str) -> bytes:
        path = self._folder / name
        _regular(path)
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise ValueError(f"{name} is longer than {MAX_MANIFEST_BYTES:,} bytes")
        return path.read_bytes()


def _choose(index: Index, name: str) -> Descriptor | None:
    if not name:
        images = [entry for entry in index.manifests if entry.artifact_type is None]
        return images[-1] if images else None
    named = [entry for entry in index.manifests if name in ((entry.annotations or {}).get(REF_NAME), entry.digest)]
    return named[-1] if named else None


def _regular(path: Path) -> None:
    if not stat.S_ISREG(path.lstat().st_mode):
        raise ValueError(f"{path.name} is no plain file")
