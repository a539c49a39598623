"""Who may work on a job: claims by create-if-absent, fencing tokens, heartbeats, and taking over from the silent.

The attempt's number is the fencing token. Nobody compares clocks of two machines: a trainer may only take over
after it has itself watched one and the same heartbeat for a whole lease on its own monotonic clock.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

import structlog

from schemas import store_keys
from schemas.records import AttemptRecord, Heartbeat, as_json
from services.common.errors import WorldError
from services.common.journal import Clock, now
from services.common.object_store import ObjectStore

log = structlog.get_logger()


async def claim(store: ObjectStore, job_id: str, attempt: int, worker: str, clock: Clock = now) -> bool:
    """Try to become the owner of `attempt`; exactly one trainer succeeds."""
    record = AttemptRecord(job_id=job_id, attempt=attempt, worker=worker, claimed_at=clock())
    return await store.create(store_keys.attempt(job_id, attempt), as_json(record))


async def latest_attempt(store: ObjectStore, job_id: str) -> int:
    """Give the highest claimed attempt; 0 when nobody has claimed the job."""
    keys = await store.list(store_keys.attempts(job_id))
    numbers = [key.rsplit("/", 1)[1].removesuffix(".json") for key in keys if key.endswith(".json")]
    return max((int(number) for number in numbers if number.isdigit()), default=0)


@dataclass(frozen=True, slots=True)
class Free:
    """The job may be claimed as `attempt`; `last` is what its predecessor's heartbeat said, if it wrote one."""

    attempt: int
    last: Heartbeat | None


class Watch:
    """Watches other trainers' heartbeats and tells when a lease has run out."""

    def __init__(self, store: ObjectStore, lease_seconds: float, clock: Callable[[], float] = monotonic) -> None:
        """`clock` gives monotonic seconds."""
        self._store = store
        self._lease = lease_seconds
        self._clock = clock
        self._seen: dict[str, tuple[int, bytes, float]] = {}

    async def look(self, job_id: str) -> Free | None:
        """Look once; gives the attempt that may be claimed now, or None while the owner lives or may live."""
        attempt = await latest_attempt(self._store, job_id)
        if attempt == 0:
            return Free(1, None)
        raw = await self._store.get(store_keys.heartbeat(job_id, attempt)) or b""
        last = Heartbeat.model_validate_json(raw) if raw else None
        if last and last.handed_over:
            return None
        wait = last.retry_after if last and last.released else self._lease
        if self._unchanged_for(job_id, attempt, raw) < wait:
            return None
        return Free(attempt + 1, last)

    def forget(self, job_id: str) -> None:
        """Drop what was seen of a job."""
        self._seen.pop(job_id, None)

    def _unchanged_for(self, job_id: str, attempt: int, raw: bytes) -> float:
        at = self._clock()
        known = self._seen.get(job_id)
        if known is None or known[:2] != (attempt, raw):
            self._seen[job_id] = (attempt, raw, at)
            return 0.0
        return at - known[2]


class Lease:
    """The ownership of one attempt, as long as heartbeats go through and nobody holds a higher number.

    `lost` is set when the owner must stop before anything else; `cancelled` when somebody asked to cancel.
    """

    def __init__(
        self,
        store: ObjectStore,
        job_id: str,
        attempt: int,
        worker: str,
        lease_seconds: float,
        clock: Callable[[], float] = monotonic,
        *,
        traceparent: str | None = None,
        previous: str | None = None,
    ) -> None:
        """Take the lease of an attempt that this worker has claimed.

        `traceparent` is the claim's span, `previous` that of the attempt before.
        """
        self.traceparent, self.previous = traceparent, previous
        self.job_id, self.attempt, self.worker = job_id, attempt, worker
        self.lost, self.cancelled = asyncio.Event(), asyncio.Event()
        self._store = store
        self._seconds = lease_seconds
        self._clock = clock
        self._beat = 0
        self._renewed_at = clock()
        self._look = asyncio.Event()
        self._ended = False
        self._writing = asyncio.Lock()

    async def keep(self) -> None:
        """Renew every third of the lease until it is released, handed over, lost or cancelled; run it beside the work.

        The lock keeps a heartbeat that is on its way from arriving after the last word.
        """
        while not (self.lost.is_set() or self._ended):
            self._look.clear()
            await self._renew()
            await self._check_cancel()
            try:
                await asyncio.wait_for(self._look.wait(), timeout=self._seconds / 3)
            except TimeoutError:
                continue

    def look_now(self) -> None:
        """Look for a cancel at once: the job's row says that one was asked for."""
        self._look.set()

    async def release(self, *, retry_after: float, reason: str, message: str) -> None:
        """Give the job back: another trainer may claim the next attempt after `retry_after` seconds."""
        await self._end(released=True, retry_after=retry_after, reason=reason, message=message[:2000])

    async def hand_over(self) -> None:
        """Say that the adapter is on its way to the publisher: nobody needs to take this job over."""
        await self._end(handed_over=True)

    async def _end(self, **last_word: object) -> None:
        self._ended = True
        self._look.set()
        async with self._writing:
            if not self.lost.is_set():
                await self._write(**last_word)

    async def _renew(self) -> None:
        try:
            async with asyncio.timeout(self._seconds / 3), self._writing:
                if self._ended:
                    return
                if await self._store.exists(store_keys.attempt(self.job_id, self.attempt + 1)):
                    log.warning("another trainer holds a higher attempt", job_id=self.job_id, attempt=self.attempt)
                    self.lost.set()
                    return
                await self._write()
            self._renewed_at = self._clock()
        except (WorldError, TimeoutError) as error:
            silent = self._clock() - self._renewed_at
            log.warning("heartbeat failed", job_id=self.job_id, silent_seconds=round(silent, 1), error=str(error))
            if silent >= self._seconds * 2 / 3:
                self.lost.set()

    async def _check_cancel(self) -> None:
        try:
            # A store that does not answer may not keep the next heartbeat waiting.
            async with asyncio.timeout(self._seconds / 3):
                if await self._store.exists(store_keys.cancel(self.job_id)):
                    self.cancelled.set()
        except (WorldError, TimeoutError) as error:
            log.warning("could not look for a cancel", job_id=self.job_id, error=str(error))

    async def _write(self, **fields: object) -> None:
        self._beat += 1
        beat = Heartbeat.model_validate(
            {"worker": self.worker, "beat": self._beat, "traceparent": self.traceparent, **fields}
        )
        await self._store.put(store_keys.heartbeat(self.job_id, self.attempt), as_json(beat))
