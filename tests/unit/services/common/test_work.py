"""Work beside the consumer: only what is done is committed, keys keep their order, the consumer is held back."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError
from hypothesis import given
from hypothesis import strategies as st

from services.common.kafka.work import PLACE_BYTES, Work

PLACE = TopicPartition("t", 0)


def record(offset: int, key: bytes | None = None, partition: int = 0) -> ConsumerRecord:
    return ConsumerRecord("t", partition, offset, 0, 0, key, b"", 0, 0, 0, ())


class Consumer:
    """Keeps what was committed; refuses as often as it is told."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.committed: list[dict[TopicPartition, int]] = []

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        await asyncio.sleep(0)
        if self.refusals:
            self.refusals -= 1
            raise CommitFailedError
        self.committed.append(dict(offsets))

    @property
    def next(self) -> int:
        return max((offsets.get(PLACE, 0) for offsets in self.committed), default=0)


class Gates:
    """Jobs that end when the test says so."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.gates: dict[int, asyncio.Event] = {}

    async def job(self, given: ConsumerRecord) -> None:
        self.begun.append(given.offset)
        await self.gates.setdefault(given.offset, asyncio.Event()).wait()

    def open(self, *offsets: int) -> None:
        for offset in offsets:
            self.gates.setdefault(offset, asyncio.Event()).set()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def never(error: BaseException) -> None:
    raise AssertionError(error)


async def test_a_slow_record_holds_back_the_commit_and_nobody_else() -> None:
    work, consumer, gates = Work(never), Consumer(), Gates()
    await work.take([record(5), record(6), record(7)], consumer, gates.job)
    gates.open(6, 7)
    await settle()
    assert gates.begun == [5, 6, 7]
    assert consumer.next == 5
    gates.open(5)
    await settle()
    assert consumer.next == 8


async def test_what_is_done_within_the_time_for_it_is_committed_together() -> None:
    work, consumer, gates = Work(never, commit_seconds=0.05), Consumer(), Gates()
    await work.take([record(5), record(6), record(7)], consumer, gates.job)
    for offset in (5, 6, 7):
        gates.open(offset)
        await settle()
    assert consumer.committed == []
    await work.stop()
    assert consumer.committed == [{PLACE: 8}]


async def test_a_large_record_takes_the_places_of_several() -> None:
    work, consumer, gates = Work(never, at_once=4), Consumer(), Gates()
    large = replace(record(0), value=bytes(2 * PLACE_BYTES))
    taking = asyncio.create_task(work.take([large, record(1), record(2), record(3)], consumer, gates.job))
    await settle()
    assert gates.begun == [0, 1]
    gates.open(0)
    await taking
    await settle()
    assert gates.begun == [0, 1, 2, 3]
    gates.open(1, 2, 3)
    await settle()


async def test_a_record_larger_than_all_places_is_worked_on_alone() -> None:
    work, consumer, gates = Work(never, at_once=2), Consumer(), Gates()
    gates.open(0, 1)
    await work.take([replace(record(0), value=bytes(9 * PLACE_BYTES)), record(1)], consumer, gates.job)
    await settle()
    assert gates.begun == [0, 1]


async def test_records_of_one_key_wait_for_each_other() -> None:
    work, consumer, gates = Work(never), Consumer(), Gates()
    await work.take([record(0, b"a"), record(1, b"a"), record(2, b"b")], consumer, gates.job)
    await settle()
    assert gates.begun == [0, 2]
    gates.open(0)
    await settle()
    assert gates.begun == [0, 2, 1]


async def test_with_so_many_in_work_the_consumer_waits() -> None:
    work, consumer, gates = Work(never, at_once=2), Consumer(), Gates()
    taking = asyncio.create_task(work.take([record(n) for n in range(3)], consumer, gates.job))
    await settle()
    assert gates.begun == [0, 1]
    gates.open(1)
    await taking
    await settle()
    assert gates.begun == [0, 1, 2]


async def test_a_record_that_comes_again_while_it_is_in_work_is_not_begun_twice() -> None:
    work, consumer, gates = Work(never), Consumer(), Gates()
    for _ in range(2):
        await work.take([record(3)], consumer, gates.job)
    await settle()
    assert gates.begun == [3]


async def test_the_commit_after_a_refused_one_covers_it() -> None:
    work, consumer, gates = Work(never), Consumer(refusals=1), Gates()
    gates.open(0, 1)
    await work.take([record(0)], consumer, gates.job)
    await settle()
    assert consumer.committed == []
    await work.take([record(1)], consumer, gates.job)
    await settle()
    assert consumer.next == 2


async def test_work_on_partitions_that_another_process_got_is_let_go() -> None:
    work, consumer, gates = Work(never), Consumer(), Gates()
    await work.take([record(0), record(0, partition=1)], consumer, gates.job)
    await settle()
    await work.on_partitions_assigned([PLACE])
    gates.open(0)
    await settle()
    assert consumer.committed == [{PLACE: 1}]


async def test_a_fault_is_told_and_the_record_is_never_committed() -> None:
    told: list[BaseException] = []
    work, consumer, gates = Work(told.append), Consumer(), Gates()

    async def job(given: ConsumerRecord) -> None:
        if given.offset == 1:
            raise ValueError("a fault of ours")
        await gates.job(given)

    gates.open(0, 2)
    await work.take([record(0), record(1), record(2)], consumer, job)
    await settle()
    assert [str(error) for error in told] == ["a fault of ours"]
    assert consumer.next == 1


@pytest.mark.parametrize(("drain", "committed"), [(5.0, 1), (0.0, 0)])
async def test_stop_begins_nothing_new_and_lets_finish_what_may(drain: float, committed: int) -> None:
    work, consumer, gates = Work(never, drain_seconds=drain), Consumer(), Gates()
    await work.take([record(0)], consumer, gates.job)
    await settle()
    stopping = asyncio.create_task(work.stop())
    await settle()
    gates.open(0)
    await work.take([record(1)], consumer, gates.job)
    await stopping
    assert gates.begun == [0]
    assert consumer.next == committed


@given(st.permutations(range(12)))
def test_whatever_ends_first_only_what_is_done_is_committed(order: list[int]) -> None:
    async def run() -> None:
        work, consumer, gates = Work(never), Consumer(), Gates()
        await work.take([record(n) for n in range(12)], consumer, gates.job)
        left = set(range(12))
        for offset in order:
            gates.open(offset)
            left.discard(offset)
            await settle()
            assert consumer.next == min(left, default=12)

    asyncio.run(run())
