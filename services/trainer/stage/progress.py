"""Bytes copied so far, told at most twice a second."""

import time
from collections.abc import Awaitable, Callable

OnProgress = Callable[[int, int | None], Awaitable[None]]
INTERVAL = 0.5


class Progress:
    """Adds up what runs in parallel. The total is known once every source has said its length."""

    def __init__(self, on_progress: OnProgress, clock: Callable[[], float] = time.monotonic) -> None:
        self._tell = on_progress
        self._sources: int | None = None
        self._sizes: dict[str, int] = {}
        self._done = 0
        self._clock = clock
        self._told_at = clock() - INTERVAL

    def sources(self, count: int) -> None:
        """How many there are; before this is known, so is no total."""
        self._sources = count

    def expect(self, source: str, size: int) -> None:
        """What this source will give; said again when it is tried again."""
        self._sizes[source] = size

    async def add(self, size: int) -> None:
        """Less than nothing when a try has failed and its bytes will come again."""
        self._done += size
        now = self._clock()
        if now - self._told_at >= INTERVAL:
            self._told_at = now
            await self._tell(self._done, sum(self._sizes.values()) if len(self._sizes) == self._sources else None)

    @property
    def done(self) -> int:
        return self._done

    async def finish(self) -> None:
        """The last word: all bytes."""
        await self._tell(self._done, self._done)
