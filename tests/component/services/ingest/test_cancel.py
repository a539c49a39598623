"""Cancelling: ingest ends a job that nobody has, leaves a wish for whoever has it, and repeats what was decided."""

from schemas import store_keys
from schemas.events import State
from schemas.records import AttemptRecord, CancelRecord, ResultRecord, as_json
from services.common.ending import read_result
from services.ingest.accept import Accepted
from tests.component.services.ingest.harness import START, World, request, workspace, world


async def job(at: World) -> str:
    answer = await at.acceptance.accept(request(workspace()))
    assert isinstance(answer, Accepted)
    at.sent.records.clear()
    return answer.record.job_id


async def test_a_job_that_nobody_has_ends_at_once() -> None:
    at = world()
    job_id = await job(at)
    assert await at.cancellation.cancel(job_id, "me") is State.CANCELLED
    assert at.sent.types == ["job.cancelling", "job.cancelled"]
    assert [event.sequence for event in at.sent.events] == [3, 4]
    result = await read_result(at.store, job_id)
    assert isinstance(result, ResultRecord)
    assert result.state is State.CANCELLED


async def test_a_job_that_a_trainer_has_is_left_to_it() -> None:
    at = world()
    job_id = await job(at)
    claim = AttemptRecord(job_id=job_id, attempt=1, worker="w", claimed_at=START)
    await at.store.put(store_keys.attempt(job_id, 1), as_json(claim))
    assert await at.cancellation.cancel(job_id, "me") is State.CANCELLING
    assert at.sent.types == ["job.cancelling"]
    assert await at.store.get(store_keys.result(job_id)) is None
    wish = CancelRecord.model_validate_json(await at.store.get(store_keys.cancel(job_id)) or b"")
    assert wish.requested_by == "me"


async def test_asking_again_sends_the_same_bytes_of_the_end() -> None:
    at = world()
    job_id = await job(at)
    await at.cancellation.cancel(job_id, "me")
    first = at.sent.records[-1]
    assert await world(at.store).cancellation.cancel(job_id, "you") is State.CANCELLED
    assert await at.cancellation.cancel(job_id, "you") is State.CANCELLED
    assert at.sent.records[-1] == first


async def test_a_job_that_has_ended_stays_as_it_ended() -> None:
    at = world()
    job_id = await job(at)
    await at.cancellation.cancel(job_id, None)
    result = await read_result(at.store, job_id)
    assert result is not None
    won = result.model_copy(update={"state": State.SUCCEEDED})
    await at.store.put(store_keys.result(job_id), as_json(won))
    assert await at.cancellation.cancel(job_id, None) is State.SUCCEEDED


async def test_a_trainer_that_ends_the_job_in_between_wins() -> None:
    at = world()
    job_id = await job(at)
    theirs = world(at.store)
    await theirs.cancellation.cancel(job_id, "them")
    record = await read_result(at.store, job_id)
    assert record is not None
    ended = await at.cancellation._end(job_id, record.event.model_copy(update={"id": "mine"}))
    assert ended.event.id != "mine"


async def test_there_is_nothing_to_cancel_under_a_name_that_is_no_job() -> None:
    at = world()
    for name in ("default.a.0123456789ab", "../../etc/passwd", "", "a/b"):
        assert await at.cancellation.cancel(name, None) is None
    assert at.sent.records == []
