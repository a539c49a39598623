"""The trainer's loop: when idle, claim a waiting job or take over a silent one, work on it, and look again."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from time import monotonic, time

import structlog

from schemas.events import State
from schemas.jobs import JobRow
from services.common import telemetry
from services.common.ending import read_result
from services.common.errors import WorldError
from services.common.journal import send_event
from services.common.lifetime import Lifetime
from services.trainer.claim import Lease, Watch, claim
from services.trainer.queue import JobTable
from services.trainer.run import Parts, run_job

log = structlog.get_logger()


class Worker:
    """Works on one job at a time."""

    def __init__(
        self, parts: Parts, table: JobTable, lifetime: Lifetime, clock: Callable[[], float] = monotonic
    ) -> None:
        """`clock` gives monotonic seconds; the lifetime's end stops the current job at a checkpoint."""
        self._parts, self._table, self._clock = parts, table, clock
        self._lifetime = lifetime
        self._changed = asyncio.Event()
        self._lease: Lease | None = None
        self._pause = min(parts.settings.lease_seconds / 6, 1.0)
        self._watch = Watch(parts.store, parts.settings.lease_seconds, clock)

    def on_row(self, row: JobRow) -> None:
        """Take in a job's newest row."""
        self._table.apply(row, self._clock())
        if self._lease and row.job_id == self._lease.job_id and row.state is State.CANCELLING:
            self._lease.look_now()
        self._changed.set()

    async def loop(self) -> None:
        """Work until the service stops."""
        while not self._lifetime.stopping.is_set():
            try:
                lease = await self._next_lease()
                if lease is not None:
                    await self._work_on(lease)
                    continue
            except WorldError as error:
                log.warning("the queue waits for the store", error=error.message)
            await self._wait()

    async def _next_lease(self) -> Lease | None:
        at = self._clock()
        ahead = self._parts.ahead
        row = self._table.next_waiting(at, preferred=ahead.begun if ahead else ())
        if row is not None:
            return await self._try(row, "won")
        for silent in self._table.silent(at, self._parts.settings.lease_seconds / 2)[:32]:
            lease = await self._try(silent, "taken_over")
            if lease is not None:
                return lease
        return None

    async def _try(self, row: JobRow, outcome: str) -> Lease | None:
        settings, store = self._parts.settings, self._parts.store
        free = await self._watch.look(row.job_id)
        if free is None:
            # Where Kafka has lost how a job ended, the same request makes it wait again though nobody may claim it.
            if not (row.state is State.PENDING and await self._has_ended(row)):
                self._defer(row.job_id)
            return None
        if await self._has_ended(row):
            return None
        began = time()
        if not await claim(store, row.job_id, free.attempt, settings.worker, self._parts.clock):
            self._parts.metrics.claimed("lost")
            self._defer(row.job_id)
            return None
        self._parts.metrics.claimed(outcome)
        if free.attempt == 1:
            self._parts.metrics.waited((self._parts.clock() - row.created_at).total_seconds())
        self._watch.forget(row.job_id)
        traceparent = _claim_spans(row, free.attempt, settings.worker, began)
        with _logged(traceparent):
            log.info("claimed", job_id=row.job_id, attempt=free.attempt, how=outcome)
        return Lease(
            store,
            row.job_id,
            free.attempt,
            settings.worker,
            settings.lease_seconds,
            self._clock,
            traceparent=traceparent,
            previous=free.last.traceparent if free.last else None,
        )

    async def _has_ended(self, row: JobRow) -> bool:
        # Its writer may have died before it sent the last event; sending it again is free of harm.
        ended = await read_result(self._parts.store, row.job_id)
        if ended is None:
            return False
        await send_event(self._parts.publish, ended.event)
        self._table.forget(row.job_id)
        return True

    async def _work_on(self, lease: Lease) -> None:
        self._lease = lease
        with _logged(lease.traceparent):
            await self._run(lease)

    async def _run(self, lease: Lease) -> None:
        keeping = asyncio.create_task(lease.keep())
        try:
            with self._parts.metrics.working():
                await run_job(self._parts, lease, self._lifetime.stopping)
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            self._lease = None
            self._defer(lease.job_id)

    def _defer(self, job_id: str) -> None:
        self._table.defer(job_id, self._clock() + self._pause)

    async def _wait(self) -> None:
        self._changed.clear()
        waits = [asyncio.create_task(self._changed.wait()), asyncio.create_task(self._lifetime.wait())]
        await asyncio.wait(waits, timeout=self._pause, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()


def _logged(traceparent: str | None) -> AbstractContextManager[None]:
    """Every log line of the block, and of what it starts, carries the trace's id."""
    known = {"trace_id": telemetry.trace_id(traceparent)} if traceparent else {}
    return structlog.contextvars.bound_contextvars(**known)


def _claim_spans(row: JobRow, attempt: int, worker: str, began: float) -> str | None:
    """How long the job waited since its last event, and the claim; gives the claim's traceparent."""
    attributes: telemetry.Attributes = {
        "lorabus.job.id": row.job_id,
        "lorabus.attempt": attempt,
        "lorabus.worker": worker,
    }
    telemetry.record("job.wait", row.traceparent, row.updated_at.timestamp(), attributes, ended=began)
    return telemetry.record("job.claim", row.traceparent, began, attributes)
