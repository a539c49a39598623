"""Events into rows: one writer, nothing before it has caught up, nothing twice."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from aiokafka.errors import KafkaConnectionError

from schemas.envelope import Envelope, decode
from schemas.events import State
from schemas.jobs import JobRow, Position, fold
from schemas.topics import JOBS
from services.common.kafka.consume import Received
from services.common.kafka.producer import Headers
from services.ingest.project import Projector, fold_batch

JOB = "default.a.0123456789ab"
AT = datetime(2026, 1, 1, tzinfo=UTC)


def event(short: str, sequence: int, *, job_id: str = JOB, key: str | None = None, **data: object) -> Received:
    head = {"jobId": job_id, "attempt": 0, "sequence": sequence, "specDigest": "sha256:1", "namespace": "default"}
    accepted = {"name": "a", "preset": "tiny", "method": "lora"}
    envelope = Envelope(
        type=f"lorabus.{short}.v1",
        source="ingest",
        id=f"{job_id}:{sequence}",
        time=AT,
        data={**head, **accepted, **data},
    )
    return Received(envelope, (job_id if key is None else key).encode(), "tuning.events.v1", 1, sequence)


class Topic:
    """The jobs topic, as a list, with a read model that knows all of it."""

    def __init__(self) -> None:
        self.rows: list[JobRow] = []
        self.asked: list[set[int]] = []
        self.faults = 0

    async def enqueue(self, topic: str, key: bytes, value: bytes, headers: Headers) -> "asyncio.Future[None]":
        assert topic == JOBS.name
        row = JobRow.model_validate(decode(value, headers).data)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.faults:
            self.faults -= 1
            future.set_exception(KafkaConnectionError())
            return future
        self.rows.append(row)
        future.set_result(None)
        return future

    async def rows_of(self, job_ids: Sequence[str]) -> dict[str, JobRow]:
        return {row.job_id: row for row in self.rows if row.job_id in job_ids}

    async def catch_up(self, partitions: set[int]) -> None:
        self.asked.append(set(partitions))

    def projector(self) -> Projector:
        return Projector(self, self.rows_of, self.catch_up)  # type: ignore[arg-type]


async def test_a_batch_writes_one_row_for_each_job() -> None:
    topic = Topic()
    unusable = await topic.projector().project([event("job.accepted", 1), event("job.queued", 2)])
    assert unusable == {}
    assert [(row.version, row.state, row.preset) for row in topic.rows] == [(2, State.PENDING, "tiny")]


async def test_a_repeated_batch_writes_nothing() -> None:
    topic = Topic()
    projector = topic.projector()
    for _ in range(2):
        await projector.project([event("job.accepted", 1)])
    assert len(topic.rows) == 1


async def test_another_process_goes_on_from_the_rows_that_were_written() -> None:
    topic = Topic()
    await topic.projector().project([event("job.accepted", 1)])
    await topic.projector().project([event("job.accepted", 1), event("job.queued", 2)])
    assert [row.version for row in topic.rows] == [1, 2]


async def test_a_partition_is_caught_up_with_before_its_first_row_and_after_each_loss() -> None:
    topic = Topic()
    projector = topic.projector()
    await projector.project([event("job.accepted", 1)])
    await projector.project([event("job.queued", 2)])
    await projector.forget()
    await projector.project([event("job.cancelling", 3)])
    assert topic.asked == [{1}, {1}]


async def test_a_broker_that_fails_leaves_the_batch_to_be_done_again() -> None:
    topic = Topic()
    projector = topic.projector()
    topic.faults = 1
    with pytest.raises(KafkaConnectionError):
        await projector.project([event("job.accepted", 1)])
    await projector.project([event("job.accepted", 1)])
    assert [row.version for row in topic.rows] == [1]


def test_an_event_under_another_key_is_refused_for_its_row_has_another_writer() -> None:
    changed, unusable = fold_batch([event("job.accepted", 1, key="default.b.0123456789ab")], {})
    assert changed == {}
    assert "key" in unusable[0]


def test_an_event_that_does_not_fit_its_type_is_refused_and_the_next_one_is_folded() -> None:
    changed, unusable = fold_batch([event("job.accepted", 1, state="dancing"), event("job.queued", 2)], {})
    assert "job.accepted" in unusable[0]
    assert "state" in unusable[0]
    assert changed[JOB].state is State.PENDING


@pytest.mark.parametrize("field", ["attempt", "sequence"])
def test_a_number_that_no_row_can_hold_is_refused(field: str) -> None:
    """As text it would be read as a number that cannot be written again."""
    received = event("job.accepted", 1)
    data = {**(received.envelope.data or {}), field: "100000000000000000000"}
    changed, unusable = fold_batch([replace(received, envelope=replace(received.envelope, data=data))], {})
    assert changed == {}
    assert field in unusable[0]


def test_a_type_of_a_later_version_changes_nothing() -> None:
    assert fold_batch([event("job.dreaming", 1)], {}) == ({}, {})


def test_an_event_that_brings_a_fault_to_light_is_put_aside_and_the_others_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def faulty(row: JobRow | None, envelope: Envelope, position: Position) -> JobRow | None:
        if envelope.id.endswith(":2"):
            raise ZeroDivisionError("a fault")
        return fold(row, envelope, position)

    monkeypatch.setattr("services.ingest.project.fold", faulty)
    changed, unusable = fold_batch([event("job.accepted", 1), event("job.queued", 2), event("job.cancelling", 3)], {})
    assert changed[JOB].state is State.CANCELLING
    assert unusable == {1: "a fault of lorabus: ZeroDivisionError: a fault"}
