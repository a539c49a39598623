"""How a job ends: exactly once, for everybody, and its last event is sent even if its writer dies in between.

`result.json` is created once; it settles cancel against success and attempt against attempt. It holds the
terminal event, so whoever finds the job ended can send that event again, under the same id.
"""

from schemas import store_keys
from schemas.events import EventData, State
from schemas.records import ResultRecord, as_json
from services.common import telemetry
from services.common.journal import Journal
from services.common.object_store import ObjectStore


async def read_result(store: ObjectStore, job_id: str) -> ResultRecord | None:
    """Give how the job ended, or None while it has not."""
    raw = await store.get(store_keys.result(job_id))
    return None if raw is None else ResultRecord.model_validate_json(raw)


async def end_job(
    store: ObjectStore, journal: Journal, job_id: str, attempt: int, model: type[EventData], **data: object
) -> ResultRecord:
    """End the job with this event, unless it has ended already; send the event that holds and give its record."""
    event = await journal.prepare(model, **data)
    state = State(str(event.data["state"]))
    mine = ResultRecord(job_id=job_id, attempt=attempt, state=state, event=event)
    with telemetry.span("job.end", event.traceparent, {"lorabus.job.id": job_id, "lorabus.attempt": attempt}):
        won = await store.create(store_keys.result(job_id), as_json(mine))
        result = mine if won else await read_result(store, job_id) or mine
        telemetry.set_attributes({"lorabus.job.state": result.state.value})
        await journal.send(result.event)
    return result
