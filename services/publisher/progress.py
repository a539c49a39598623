"""Tells how far a push is: an `image.pushing` event at its start, one a second while it goes on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from schemas.events.image import ImagePushing
from services.common.journal import Journal

SECONDS = 1.0


class Progress:
    """Bytes at their place, by blob."""

    def __init__(self, total: int) -> None:
        """`total` is the length of all blobs, or the best guess before they were packed."""
        self._total = total
        self._done: dict[str, int] = {}

    def on_bytes(self, blob: str, done: int) -> None:
        """Note how much of a blob is in place; a try that begins anew does not count back."""
        self._done[blob] = max(done, self._done.get(blob, 0))

    @property
    def event(self) -> dict[str, object]:
        """The event's data."""
        done = sum(self._done.values())
        return {"bytes": done, "total_bytes": max(done, self._total)}


@asynccontextmanager
async def told(journal: Journal, progress: Progress) -> AsyncIterator[None]:
    """Send events while the block runs. An event that is being sent is never cut off: its number would be lost."""
    over = asyncio.Event()
    teller = asyncio.create_task(_tell(journal, progress, over))
    try:
        yield
    finally:
        over.set()
        await teller


async def _tell(journal: Journal, progress: Progress, over: asyncio.Event) -> None:
    last: dict[str, object] = {}
    while not over.is_set():
        if progress.event != last:
            last = progress.event
            await journal.emit(ImagePushing, **last)
        try:
            await asyncio.wait_for(over.wait(), SECONDS)
        except TimeoutError:
            continue
