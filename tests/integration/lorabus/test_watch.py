"""Following a job on the real status topic: each event once, up to the end, whatever else is written there."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime

import pytest

from lorabus.client import LorabusClient
from lorabus.events import Event
from lorabus.faults import NoSuchJob
from lorabus.settings import CallerSettings
from schemas.events import State
from schemas.events.job import Image, JobAccepted, JobCancelled, JobClaimed, JobQueued, JobSucceeded
from schemas.events.training import TrainingProgress
from schemas.jobs import JobRow, Position
from schemas.topics import EVENTS
from services.common.journal import Journal
from services.common.kafka.producer import Producer
from tests.integration.lorabus.conftest import FakeIngest, OpenJournal

ACCEPTED = {"spec_digest": "sha256:1", "namespace": "default", "name": "watched", "preset": "tiny", "method": "lora"}
IMAGE = Image(reference="registry/x:1", digest="sha256:2", size=3)


async def everything(client: LorabusClient, job_id: str, *, from_start: bool = True) -> list[Event]:
    async with asyncio.timeout(30):
        return [event async for event in client.watch(job_id, from_start=from_start)]


async def accept(journal: OpenJournal) -> None:
    ingest = journal("ingest")
    await ingest.emit(JobAccepted, **ACCEPTED)
    await ingest.emit(JobQueued, spec_digest="sha256:1")


async def step(trainer: Journal, number: int) -> None:
    await trainer.emit(TrainingProgress, step=number, total_steps=3, epoch=0.5, tokens=number)


def row(job_id: str, state: State, first: Position | None = None) -> JobRow:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    return JobRow(
        job_id=job_id,
        state=state,
        kaito_state=state.kaito,
        created_at=now,
        updated_at=now,
        events_from=first,
        image=IMAGE,
    )


async def test_a_job_is_followed_from_its_first_event_to_its_end(
    client: LorabusClient, journal: OpenJournal, job_id: str
) -> None:
    await accept(journal)
    trainer = journal("trainer", 1)
    seen: list[str] = []

    async with asyncio.timeout(30), aclosing(client.watch(job_id)) as events:
        async for event in events:
            seen.append(event.type)
            # The rest happens only once the beginning was seen: nothing is lost between history and what is new.
            if event.type == "job.queued":
                await trainer.emit(JobClaimed, worker="w")
            if event.type == "job.claimed":
                assert not event.replayed
                await trainer.emit(JobSucceeded, image=IMAGE)

    assert seen == ["job.accepted", "job.queued", "job.claimed", "job.succeeded"]


async def test_what_comes_twice_is_given_once_and_what_is_not_of_the_job_never(
    client: LorabusClient, journal: OpenJournal, producer: Producer, job_id: str
) -> None:
    await accept(journal)
    trainer = journal("trainer", 1)
    claimed = await trainer.emit(JobClaimed, worker="w")
    await trainer.send(claimed)
    key = job_id.encode()
    await producer.publish(EVENTS.name, key, b"no JSON", [("ce_type", b"\xff")])
    await producer.publish(EVENTS.name, key, b'{"jobId": 7}', [])
    other = Journal(
        lambda topic, _, value, headers: producer.publish(topic, key, value, headers),
        job_id="default.other.0123456789ab",
        attempt=1,
        source="trainer",
        traceparent=f"00-{'1' * 32}-{'2' * 16}-01",
    )
    await other.emit(JobSucceeded, image=IMAGE)
    await trainer.emit(JobCancelled)

    events = await everything(client, job_id)

    assert [event.type for event in events] == ["job.accepted", "job.queued", "job.claimed", "job.cancelled"]
    assert events[-1].ends is State.CANCELLED


async def test_without_the_start_a_job_that_has_ended_tells_its_end_only(
    client: LorabusClient, journal: OpenJournal, job_id: str
) -> None:
    await accept(journal)
    await journal("trainer", 1).emit(JobSucceeded, image=IMAGE)

    (end,) = await everything(client, job_id, from_start=False)

    assert (end.type, end.replayed) == ("job.succeeded", True)


async def test_the_reading_begins_where_ingest_says(
    client: LorabusClient, ingest: FakeIngest, journal: OpenJournal, job_id: str
) -> None:
    await accept(journal)
    first, *_ = [event async for event in _until(client, job_id, "job.queued")]
    assert first.position is not None
    partition, offset = first.position
    ingest.rows[job_id] = row(job_id, State.PENDING, Position(partition=partition, offset=offset + 1))
    await journal("trainer", 1).emit(JobCancelled)

    assert [event.type for event in await everything(client, job_id)] == ["job.queued", "job.cancelled"]


async def test_a_silent_ingest_does_not_stop_the_watching(
    client: LorabusClient, ingest: FakeIngest, journal: OpenJournal, job_id: str
) -> None:
    ingest.silent = True
    await accept(journal)
    await journal("trainer", 1).emit(JobCancelled)

    assert len(await everything(client, job_id)) == 3


async def test_a_job_that_nobody_knows_is_said_to_be_unknown(client: LorabusClient, job_id: str) -> None:
    with pytest.raises(NoSuchJob, match=job_id):
        await everything(client, job_id)


async def test_a_job_whose_events_are_gone_ends_as_its_row_says(
    client: LorabusClient, ingest: FakeIngest, job_id: str
) -> None:
    ingest.rows[job_id] = row(job_id, State.SUCCEEDED)

    (end,) = await everything(client, job_id)

    assert end.type == "job.succeeded"
    assert end.flat()["image"] == IMAGE.to_wire()


async def test_a_job_that_ended_before_the_place_where_the_reading_began_is_not_waited_for(
    client: LorabusClient, ingest: FakeIngest, journal: OpenJournal, settings: CallerSettings, job_id: str
) -> None:
    """A request that is repeated is answered behind the job's end; ingest's table may not know the job at first."""
    trainer = journal("trainer", 1)
    await trainer.emit(JobSucceeded, image=IMAGE)
    (end,) = await everything(client, job_id)
    assert end.position is not None
    partition, offset = end.position
    await accept(journal)
    seen: list[str] = []

    async with asyncio.timeout(40), aclosing(client.watch(job_id, since=(partition, offset + 1))) as events:
        async for event in events:
            seen.append(event.type)
            ingest.rows[job_id] = row(job_id, State.SUCCEEDED)

    assert seen == ["job.accepted", "job.queued", "job.succeeded"]


async def _until(client: LorabusClient, job_id: str, type_: str):  # type: ignore[no-untyped-def]
    async with asyncio.timeout(30), aclosing(client.watch(job_id)) as events:
        async for event in events:
            yield event
            if event.type == type_:
                return
