"""Counters that stop a source which gives too much, too slowly, or out of nothing."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from schemas.failures import Reason
from services.common.errors import UserError
from services.trainer.stage.settings import StagingSettings

RATIO_FROM = 64 * 1024 * 1024
"""Below this, how far compressed bytes expand does not matter."""


class Budget:
    """What all files of one dataset may still take."""

    def __init__(self, settings: StagingSettings) -> None:
        self._limit = settings.source_max_bytes
        self._left = settings.source_max_bytes
        self._most_files = self._files_left = settings.source_max_files

    def check(self, size: int, source: str) -> None:
        """Refuse a size that was announced, before its first byte."""
        if size > self._left:
            raise UserError(
                Reason.DATASET_TOO_LARGE,
                f"the dataset is larger than {self._limit} bytes (at {source}); use fewer files, or ask the operator "
                "to raise LORABUS_SOURCE_MAX_BYTES",
            )

    def spend(self, size: int, source: str) -> None:
        self.check(size, source)
        self._left -= size

    def give_back(self, size: int) -> None:
        self._left += size

    def count_file(self, source: str) -> None:
        self._files_left -= 1
        if self._files_left < 0:
            raise UserError(
                Reason.DATASET_TOO_LARGE,
                f"{source} has more than {self._most_files} data files; join them or use fewer",
            )


def check_ratio(compressed: int, expanded: int, limit: int, source: str) -> None:
    if expanded > RATIO_FROM and expanded > compressed * limit:
        raise UserError(
            Reason.DATASET_UNREADABLE,
            f"{source}: {compressed} compressed bytes expand to more than {limit} times as many; send it uncompressed",
        )


class TooSlow(TimeoutError):
    """The source stays below the minimum rate."""


async def paced(
    chunks: AsyncIterator[bytes], settings: StagingSettings, clock: Callable[[], float] = time.monotonic
) -> AsyncIterator[bytes]:
    """Passes chunks on while the source keeps up the minimum rate. Only waiting for the source counts as time."""
    window = settings.source_silence
    waited, received = 0.0, 0
    while True:
        began = clock()
        try:
            async with asyncio.timeout(window):
                chunk = await anext(chunks, None)
        except TimeoutError:
            raise TooSlow(f"nothing came for {window:g} s") from None
        if chunk is None:
            return
        waited, received = waited + clock() - began, received + len(chunk)
        if waited >= window:
            if received < settings.source_min_rate * waited:
                raise TooSlow(f"{received} bytes in {waited:.0f} s is below {settings.source_min_rate} bytes a second")
            waited, received = 0.0, 0
        yield chunk
