"""Cancel a job: leave the wish in the store for whoever works on it, and end the job here if nobody ever did."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from schemas import store_keys
from schemas.events import State
from schemas.records import CancelRecord, OutboxRecord, ResultRecord, as_json
from services.common.ending import read_result
from services.common.object_store import ObjectStore
from services.ingest import events
from services.ingest.spec_history import find

Tell = Callable[[list[OutboxRecord]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Cancellation:
    """Cancels jobs; `tell` publishes events and returns once the broker has it."""

    store: ObjectStore
    tell: Tell
    clock: Callable[[], datetime]

    async def cancel(self, job_id: str, requested_by: str | None) -> State | None:
        """Give the state that the job goes to, or has if it ended before; None when there is no such job.

        Asking again sends the same answer again.
        """
        record = await find(self.store, job_id)
        if record is None:
            return None
        ended = await read_result(self.store, job_id)
        if ended is not None:
            await self.tell([ended.event])
            return ended.state
        cancel = await self._leave_wish(job_id, CancelRecord(requested_by=requested_by, requested_at=self.clock()))
        await self.tell([events.cancelling(record, cancel)])
        if await self.store.list(store_keys.attempts(job_id)):
            return State.CANCELLING
        ended = await self._end(job_id, events.cancelled(record, cancel))
        await self.tell([ended.event])
        return ended.state

    async def _leave_wish(self, job_id: str, wish: CancelRecord) -> CancelRecord:
        key = store_keys.cancel(job_id)
        if await self.store.create(key, as_json(wish)):
            return wish
        return CancelRecord.model_validate_json(await self.store.get(key) or as_json(wish))

    async def _end(self, job_id: str, event: OutboxRecord) -> ResultRecord:
        mine = ResultRecord(job_id=job_id, attempt=0, state=State.CANCELLED, event=event)
        if await self.store.create(store_keys.result(job_id), as_json(mine)):
            return mine
        return await read_result(self.store, job_id) or mine
