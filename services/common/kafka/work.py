"""Work beside the consumer: each record in a task of its own, committed once it and all before it are done.

The consumer goes on fetching meanwhile, so that one slow record holds up nobody but those of its own key, and nobody
waits for a commit. A rebalance cancels the work on partitions that went to another process; that one begins the same
work again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol
from weakref import WeakValueDictionary

import structlog
from aiokafka import ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from services.common.kafka.offsets import OffsetTracker

log = structlog.get_logger()
PLACE_BYTES = 64 * 1024
"""A record takes one place of those at once, and one more for each of these: what is in work is held in memory."""


class Commits(Protocol):
    """The part of a consumer that commits."""

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit the next offset to read of each partition."""


@dataclass(slots=True)
class _Partition:
    consumer: Commits
    tracker: OffsetTracker = field(default_factory=OffsetTracker)
    tasks: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    safe: int = -1
    committed: int = -1


class Work(ConsumerRebalanceListener):  # type: ignore[misc]
    """The tasks of one consumer."""

    def __init__(
        self,
        fail: Callable[[BaseException], None],
        on_count: Callable[[int], None] = lambda _: None,
        *,
        at_once: int = 1000,
        drain_seconds: float = 0.0,
        commit_seconds: float = 0.0,
    ) -> None:
        """Prepare; nothing runs yet.

        `fail` is told the fault of work that should have none; `on_count` how many records are in work. With
        `at_once` of them, or fewer large ones, the consumer waits. `stop` gives them `drain_seconds` to come to their
        end. What is done is committed within `commit_seconds`, together with what else is done by then.
        """
        self._fail = fail
        self._on_count = on_count
        self._drain_seconds, self._commit_seconds = drain_seconds, commit_seconds
        self._at_once, self._room = at_once, asyncio.Semaphore(at_once)
        self._partitions: dict[TopicPartition, _Partition] = {}
        self._locks: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()
        self._committing: asyncio.Task[None] | None = None
        self._stopping = False

    async def take(
        self, records: Iterable[ConsumerRecord], consumer: Commits, job: Callable[[ConsumerRecord], Awaitable[None]]
    ) -> None:
        """Begin `job` for each record of a batch; one that came again while it is in work is not begun twice.

        Records of one key are worked on in their order, those without a key side by side.
        """
        for record in records:
            if self._stopping or record.offset in self._partition(record, consumer).tasks:
                continue
            places = min(1 + len(record.value or b"") // PLACE_BYTES, self._at_once)
            for _ in range(places):
                await self._room.acquire()
            partition = self._partition(record, consumer)
            partition.tracker.start(record.offset)
            turn = self._locks.setdefault(record.key, asyncio.Lock()) if record.key else nullcontext()
            task = asyncio.create_task(self._run(record, partition, turn, job))
            partition.tasks[record.offset] = task
            task.add_done_callback(partial(self._make_room, places))
            self._count()

    def _make_room(self, places: int, _ended: asyncio.Task[None]) -> None:
        for _ in range(places):
            self._room.release()

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """A rebalance begins; which partitions are lost is known when it ends."""

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """A rebalance has ended: let go of what is no longer ours."""
        kept = set(assigned)
        lost = [self._partitions.pop(place) for place in list(self._partitions) if place not in kept]
        await _cancel(task for partition in lost for task in partition.tasks.values())
        self._count()

    async def stop(self) -> None:
        """Begin nothing new, end what runs; what is not committed comes again. Call it before the consumer ends."""
        self._stopping = True
        running = [task for partition in self._partitions.values() for task in partition.tasks.values()]
        if running and self._drain_seconds:
            await asyncio.wait(running, timeout=self._drain_seconds)
        await _cancel(running)
        if self._committing is not None:
            await self._committing

    async def _run(
        self,
        record: ConsumerRecord,
        partition: _Partition,
        turn: AbstractAsyncContextManager[object],
        job: Callable[[ConsumerRecord], Awaitable[None]],
    ) -> None:
        try:
            async with turn:
                await job(record)
        except Exception as error:
            log.exception("a record cannot be worked on", partition=record.partition, offset=record.offset)
            self._fail(error)
            return
        partition.tasks.pop(record.offset, None)
        partition.safe = partition.tracker.done(record.offset)
        self._count()
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit())

    async def _commit(self) -> None:
        """Commit what has become safe until nothing more has; one commit at a time covers all that came meanwhile."""
        try:
            while self._due():
                await asyncio.sleep(self._commit_seconds)
                await self._commit_these(self._due())
        finally:
            self._committing = None

    def _due(self) -> dict[TopicPartition, _Partition]:
        return {place: held for place, held in self._partitions.items() if held.safe > held.committed}

    async def _commit_these(self, due: Mapping[TopicPartition, _Partition]) -> None:
        if not due:  # A rebalance took it away.
            return
        offsets = {place: held.safe for place, held in due.items()}
        for held in due.values():
            # Even if it fails: the next commit covers it, or the partition was lost and its owner repeats the work.
            held.committed = held.safe
        try:
            await next(iter(due.values())).consumer.commit(offsets)
        except (KafkaError, IllegalStateError) as error:
            log.warning(
                "commit refused", offsets={str(place): offset for place, offset in offsets.items()}, error=str(error)
            )

    def _partition(self, record: ConsumerRecord, consumer: Commits) -> _Partition:
        place = TopicPartition(record.topic, record.partition)
        return self._partitions.setdefault(place, _Partition(consumer))

    def _count(self) -> None:
        self._on_count(sum(len(partition.tasks) for partition in self._partitions.values()))


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
