"""One endpoint's line, without Kafka and HTTP: order, bounds, and which offsets may be committed."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from aiokafka import ConsumerRecord

from schemas.envelope import Envelope, encode
from services.ingest.webhooks.line import MAX_BYTES, MAX_EVENTS, Line
from services.ingest.webhooks.message import Message


def record(offset: int, job: str = "a", *, partition: int = 0, sequence: int = 0, text: str = "") -> ConsumerRecord:
    job_id = f"default.{job}.0123456789ab"
    sequence = sequence or offset + 1
    data: dict[str, object] = {"jobId": job_id, "attempt": 1, "sequence": sequence, "state": "running", "text": text}
    event_id = f"{job_id}:1:trainer:{sequence}"
    value, headers = encode(Envelope("lorabus.training.progress.v1", "trainer", data, job_id, event_id, NOW))
    return ConsumerRecord(
        "tuning.events.v1", partition, offset, 1000 + offset, 0, job_id.encode(), value, None, -1, -1, headers
    )


NOW = datetime(2026, 1, 2, tzinfo=UTC)


class Receiver:
    """Takes an event when the test says so; `keeps` are jobs whose events stay where they are."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.taken: list[str] = []
        self.open = asyncio.Event()
        self.keeps: set[str] = set()
        self.faults: list[BaseException] = []

    async def deliver(self, message: Message) -> bool:
        self.begun.append(message.id)
        await self.open.wait()
        if json.loads(message.body)["data"]["text"] == "broken":
            raise RuntimeError("ours")
        if message.job_id in self.keeps:
            return False
        self.taken.append(message.id)
        return True


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
async def line(receiver: Receiver) -> AsyncIterator[Line]:
    line = Line(lambda message: message.type != "unwanted", receiver.deliver, receiver.faults.append)
    yield line
    await line.let_go()


async def settle() -> None:
    """Let every task do what it can do."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_jobs_events_go_one_after_the_other_and_jobs_side_by_side(line: Line, receiver: Receiver) -> None:
    line.take([record(0), record(1), record(2, "b"), record(3)])
    await settle()
    assert receiver.begun == ["default.a.0123456789ab:1:trainer:1", "default.b.0123456789ab:1:trainer:3"]
    receiver.open.set()
    await settle()
    of_a = [event.rsplit(":", 1)[1] for event in receiver.taken if event.startswith("default.a.")]
    assert of_a == ["1", "2", "4"]
    assert (line.waiting, line.oldest, line.safe) == (0, None, {0: 4})


async def test_nothing_behind_an_event_that_waits_is_committed(line: Line, receiver: Receiver) -> None:
    receiver.keeps.add("default.b.0123456789ab")
    receiver.open.set()
    line.take([record(0), record(1, "b"), record(2), record(5, "c", partition=1)])
    await settle()
    assert line.safe == {0: 1, 1: 6}
    assert line.waiting == 1
    assert line.oldest == pytest.approx(1.001)


async def test_what_nobody_wants_or_can_read_is_passed_by(line: Line, receiver: Receiver) -> None:
    rubbish = ConsumerRecord("tuning.events.v1", 0, 1, 0, 0, b"k", b"{", None, -1, -1, [])
    line.take([record(0), rubbish])
    await settle()
    assert line.safe == {0: 0}
    receiver.open.set()
    await settle()
    assert line.safe == {0: 2}


async def test_a_line_is_full_by_number_or_by_bytes(line: Line, receiver: Receiver) -> None:
    line.take(record(offset) for offset in range(MAX_EVENTS - 1))
    assert not line.full
    line.take([record(MAX_EVENTS)])
    assert line.full
    receiver.open.set()
    async with asyncio.timeout(5):
        while line.full:
            await settle()
    receiver.open.clear()
    big = "x" * 1_000_000
    line.take(record(1000 + number, "big", text=big) for number in range(MAX_BYTES // len(big) + 1))
    assert line.full


async def test_letting_go_stops_all_and_what_comes_again_is_sent_again(line: Line, receiver: Receiver) -> None:
    line.take([record(0), record(1)])
    await settle()
    await line.let_go()
    assert (line.waiting, line.safe, line.full) == (0, {}, False)
    receiver.open.set()
    await settle()
    assert receiver.taken == []
    line.take([record(0), record(1)])
    await settle()
    assert [event.rsplit(":", 1)[1] for event in receiver.taken] == ["1", "2"]
    assert line.safe == {0: 2}


async def test_a_fault_of_ours_is_told(line: Line, receiver: Receiver) -> None:
    receiver.open.set()
    line.take([record(0, text="broken"), record(1)])
    await settle()
    assert [str(error) for error in receiver.faults] == ["ours"]
    assert line.safe == {}
