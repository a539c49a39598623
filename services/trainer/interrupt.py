"""What ends a job's work before its own end: a lost lease, a cancel, a trainer that is told to stop."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

from services.trainer.claim import Lease

Result = TypeVar("Result")
_CANCEL_SECONDS = 4.0


async def until_done_or_interrupted(
    work: "asyncio.Task[bool]", lease: Lease, stopping: asyncio.Event, stop: asyncio.Event, grace: float
) -> str | None:
    """Wait for the work; give `lost`, `cancelled` or `stopping` if that came first and the work has been ended."""
    reasons = {"lost": lease.lost, "cancelled": lease.cancelled, "stopping": stopping}
    waiters = {asyncio.create_task(event.wait()): name for name, event in reasons.items()}
    try:
        await asyncio.wait({work, *waiters}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiter in waiters:
            waiter.cancel()
    if work.done():
        return None
    stop.set()
    patience = 0.0 if lease.lost.is_set() else min(grace, _CANCEL_SECONDS) if lease.cancelled.is_set() else grace
    await asyncio.wait({work}, timeout=patience)
    work.cancel()
    await asyncio.wait({work})
    if not work.cancelled() and work.exception() is None and work.result():
        return None
    return next(name for name, event in reasons.items() if event.is_set())


async def unless(stop: asyncio.Event, work: Coroutine[object, object, Result]) -> Result | None:
    """What the work gives; None when `stop` came first, and the work was cancelled."""
    working = asyncio.create_task(work)
    waiting = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        if not working.done():
            working.cancel()
            await asyncio.wait({working})
    return None if working.cancelled() else working.result()
