"""Local files in the object store, with what manifests say of them.

Children wrote them, and a child may be in the hands of the data that it read: whatever it put in a file's place, no
other file is opened.
"""

import asyncio
import hashlib
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from schemas.events.training import AdapterFile
from schemas.failures import Reason
from services.common.errors import WorldError
from services.common.layers.adapter import FILES as LAYER_FILES
from services.common.layers.adapter import describe
from services.common.layers.plan import Compression
from services.common.layers.records import LayerRecord
from services.common.object_store import ObjectStore


async def store_file(store: ObjectStore, prefix: str, folder: Path, name: Path, *, ours: Path) -> AdapterFile:
    """Copy `folder/name` to `prefix` and its name; the digest is that of the local bytes. `ours` as in `plain_file`."""
    with plain_file(folder / name, ours) as file:
        digest = await digest_of(file)
        await store.upload(f"{prefix}{name.as_posix()}", file)
        return AdapterFile(name=name.as_posix(), digest=digest, size=file.stat().st_size)


async def store_layer(
    store: ObjectStore, prefix: str, folder: Path, *, ours: Path, compression: Compression
) -> tuple[list[AdapterFile], LayerRecord]:
    """Copy the files of the adapter's layer to `prefix`, and meanwhile find out what the layer is."""
    with ExitStack() as opened:
        files = {name: opened.enter_context(plain_file(folder / name, ours)) for name in LAYER_FILES}
        try:
            async with asyncio.TaskGroup() as group:
                describing = group.create_task(asyncio.to_thread(describe, files, compression))
                for name, file in files.items():
                    group.create_task(store.upload(f"{prefix}{name}", file))
        except ExceptionGroup as faults:
            raise faults.exceptions[0] from None
    return describing.result()


@contextmanager
def plain_file(path: Path, ours: Path) -> Iterator[Path]:
    """Open a regular file below `ours`, the last folder that no child can replace, and give a path that stays it.

    A link on the way, or what is no file, raises `WorldError`.
    """
    try:
        descriptor = _opened(ours, path.relative_to(ours).parts)
    except OSError as error:
        raise WorldError(Reason.INTERNAL, f"{path.name}, which a child wrote, is no plain file: {error}") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise WorldError(Reason.INTERNAL, f"{path.name}, which a child wrote, is no plain file")
        yield Path(f"/proc/self/fd/{descriptor}") if sys.platform == "linux" else path
    finally:
        os.close(descriptor)


def _opened(ours: Path, parts: tuple[str, ...]) -> int:
    place = os.open(ours, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=place)
            os.close(place)
            place = inner
        return os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=place)
    finally:
        os.close(place)


async def digest_of(path: Path) -> str:
    """Of a local file, as `sha256:<hex>`, computed in a thread."""
    return f"sha256:{await asyncio.to_thread(_sha256, path)}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
