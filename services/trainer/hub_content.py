"""One file of a hub onto the disk: what is there already is taken up, the rest is fetched, all of it is checked."""

import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from schemas.failures import Reason
from services.common.errors import WorldError
from services.trainer.hub_files import HubFile
from services.trainer.stage.blobs import regrouped
from services.trainer.stage.http import HttpSource
from services.trainer.stage.progress import Progress

_READ_BYTES = 4 << 20
Update = Callable[[bytes], None]


async def fetch_content(source: HttpSource, file: HubFile, path: Path, progress: Progress) -> None:
    """`path` appears when every byte is there and has the hash that the hub names."""
    if path.is_file():
        await progress.add(file.size)
        return
    part = path.with_name(f"{path.name}.part")
    digest, size = await _complete(source, file, part, progress)
    if (digest, size) != (file.digest, file.size):
        part.unlink()
        await progress.add(-size)
        raise WorldError(
            Reason.SOURCE_UNAVAILABLE,
            f"{source.label} gave {size} bytes with the hash {digest}; the hub names {file.size} and {file.digest}",
        )
    part.rename(path)


async def _complete(source: HttpSource, file: HubFile, part: Path, progress: Progress) -> tuple[str, int]:
    """Hash and size of the part after everything was appended that it lacked."""
    running = file.begin_hash()
    with part.open("a+b", buffering=0) as sink:
        have = await asyncio.to_thread(_take_up, sink.fileno(), running.update)
        await progress.add(have)
        if have >= file.size:
            return running.hexdigest(), have
        async with AsyncExitStack() as stack:
            download = await source.open(stack, None, have)
            if download is None:
                raise WorldError(Reason.SOURCE_UNAVAILABLE, f"{source.label} answered 304 to a question without if")
            if download.offset != have:
                await progress.add(-have)
                sink.truncate(0)
                running, have = file.begin_hash(), 0
            async for piece in regrouped(source.read(download)):
                await asyncio.to_thread(_append, sink.fileno(), piece, running.update)
                have += len(piece)
                await progress.add(len(piece))
                if have > file.size:
                    break
    return running.hexdigest(), have


def _take_up(descriptor: int, update: Update) -> int:
    """Hash what an earlier try has left."""
    size = 0
    while piece := os.pread(descriptor, _READ_BYTES, size):
        update(piece)
        size += len(piece)
    return size


def _append(descriptor: int, piece: bytes, update: Update) -> None:
    update(piece)
    rest = memoryview(piece)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
