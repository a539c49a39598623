"""Reads a stream a little ahead of who uses it, so that reading, hashing and sending go on side by side."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

Piece = TypeVar("Piece")


@dataclass(frozen=True, slots=True)
class _End:
    """The stream is over, by itself or by a fault."""

    error: Exception | None = None


class Ahead(Generic[Piece]):
    """The stream's pieces; at most `depth` wait in memory. Its fault is raised where it would have been.

    Use as `async with`. One task alone drives the stream, so it can be left at any moment, also while somebody
    (an HTTP client that is being cancelled) still waits for a piece.
    """

    def __init__(self, stream: AsyncIterator[Piece], depth: int = 2) -> None:
        self._stream = stream
        self._queue: asyncio.Queue[Piece | _End] = asyncio.Queue(maxsize=depth)
        self._task: asyncio.Task[None] | None = None
        self._over = False

    async def __aenter__(self) -> Self:
        """Begin to read."""
        self._task = asyncio.create_task(self._fill())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Piece:
        piece = _End() if self._over else await self._queue.get()
        if not isinstance(piece, _End):
            return piece
        self._over = True
        raise piece.error or StopAsyncIteration

    async def _fill(self) -> None:
        try:
            async for piece in self._stream:
                await self._queue.put(piece)
            await self._queue.put(_End())
        except Exception as error:  # noqa: BLE001 - it is raised again by the reader.
            await self._queue.put(_End(error))
