"""Reads a stream a little ahead of who uses it, so that reading, hashing and sending go on side by side."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

_END = object()


async def ahead(stream: AsyncIterator[bytes], depth: int = 2) -> AsyncIterator[bytes]:
    """Give the stream's pieces; at most `depth` wait in memory. Its fault is raised where it would have been."""
    queue: asyncio.Queue[object] = asyncio.Queue(maxsize=depth)
    task = asyncio.create_task(_fill(stream, queue))
    try:
        while (piece := await queue.get()) is not _END:
            if isinstance(piece, Exception):
                raise piece
            assert isinstance(piece, bytes)  # noqa: S101 - for the type checker: `_fill` puts nothing else.
            yield piece
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _fill(stream: AsyncIterator[bytes], queue: asyncio.Queue[object]) -> None:
    try:
        async for piece in stream:
            await queue.put(piece)
        await queue.put(_END)
    except Exception as error:  # noqa: BLE001 - it is raised again by the reader.
        await queue.put(error)
