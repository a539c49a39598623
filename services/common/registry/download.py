"""Brings files of an image onto the disk: each layer is downloaded, its digest checked, and only then opened."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Protocol

from services.common.registry.descriptors import Descriptor, Manifest
from services.common.registry.errors import RegistryRefused
from services.common.registry.unpack import BadLayerError, Limits, unpack


class Readable(Protocol):
    """Where images are read from: a `Repository` or a `Layout`."""

    @property
    def host(self) -> str:
        """What messages call it."""

    async def image(self, name: str) -> tuple[Manifest, str]:
        """The manifest and its digest."""

    def blob(self, descriptor: Descriptor) -> AsyncIterator[bytes]:
        """A blob's bytes; raises after the last one when they are wrong."""


async def download_files(
    source: Readable, manifest: Manifest, out: Path, wanted: Callable[[str], bool], limits: Limits | None = None
) -> list[str]:
    """Write the wanted files of all layers below `out` and give their paths in the image, sorted."""
    limits = limits or Limits()
    total = sum(layer.size for layer in manifest.layers)
    if total > limits.bytes:
        raise RegistryRefused(source.host, f"the image has {total:,} bytes, more than the {limits.bytes:,} allowed")
    found: set[str] = set()
    with tempfile.TemporaryDirectory(prefix=".lorabus-", dir=out.parent) as folder:
        for layer in manifest.layers:
            file = Path(folder) / "layer"
            await save_blob(source, layer, file)
            try:
                found.update(await asyncio.to_thread(unpack, file, layer.media_type, out, wanted, limits))
            except BadLayerError as error:
                raise RegistryRefused(source.host, f"{layer.digest}: {error}") from None
    return sorted(path for path in found if (out / path).is_file())


async def save_blob(source: Readable, descriptor: Descriptor, path: Path) -> None:
    """Write a blob to a file; a file with wrong bytes does not stay."""
    free = shutil.disk_usage(path.parent).free
    if descriptor.size > free:
        raise OSError(f"{path.parent} has {free:,} bytes free, {descriptor.digest} needs {descriptor.size:,}")
    try:
        with path.open("wb") as file:
            async for chunk in source.blob(descriptor):
                await asyncio.to_thread(file.write, chunk)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
