"""Publishing beside the consumer: each record is worked on in a task, and committed once it and all before it are done.

A rebalance cancels the work on partitions that went to another publisher; that one begins the same work again.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from weakref import WeakValueDictionary

import structlog
from aiokafka import ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from services.common.kafka.offsets import OffsetTracker

log = structlog.get_logger()


class Commits(Protocol):
    """The part of a consumer that commits."""

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit the next offset to read of each partition."""


@dataclass(slots=True)
class _Partition:
    tracker: OffsetTracker = field(default_factory=OffsetTracker)
    tasks: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    committed: int = -1


class Work(ConsumerRebalanceListener):  # type: ignore[misc]
    """The tasks of one consumer."""

    def __init__(self, fail: Callable[[BaseException], None], on_count: Callable[[int], None] = lambda _: None) -> None:
        """`fail` is told the fault of a job that should have none; `on_count` how many records are in work."""
        self._fail = fail
        self._partitions: dict[TopicPartition, _Partition] = defaultdict(_Partition)
        self._locks: WeakValueDictionary[bytes | None, asyncio.Lock] = WeakValueDictionary()
        self._on_count = on_count

    def saw(self, records: Iterable[ConsumerRecord]) -> None:
        """Note the records of a batch before any of them is handled."""
        for record in records:
            self._partitions[_place(record)].tracker.start(record.offset)

    def begin(self, record: ConsumerRecord, consumer: Commits, job: Callable[[], Awaitable[None]]) -> None:
        """Run `job` for a record; one that came again while it is in work is not begun twice."""
        partition = self._partitions[_place(record)]
        if record.offset not in partition.tasks:
            task = asyncio.create_task(self._run(record, consumer, job))
            partition.tasks[record.offset] = task
            self._count()

    async def skip(self, records: Iterable[ConsumerRecord], consumer: Commits) -> None:
        """Records of a batch that no task was begun for (dead letters) are done."""
        for record in records:
            if record.offset not in self._partitions[_place(record)].tasks:
                await self._done(record, consumer)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """A rebalance begins; which partitions are lost is known when it ends."""

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """A rebalance has ended: let go of what is no longer ours."""
        kept = set(assigned)
        lost = [self._partitions.pop(place) for place in list(self._partitions) if place not in kept]
        await _cancel(task for partition in lost for task in partition.tasks.values())
        self._count()

    async def stop(self) -> None:
        """Cancel everything; what is not committed comes again."""
        await _cancel(task for partition in self._partitions.values() for task in partition.tasks.values())

    async def _run(self, record: ConsumerRecord, consumer: Commits, job: Callable[[], Awaitable[None]]) -> None:
        # One job at a time: two records about the same one would number its events twice.
        try:
            async with self._locks.setdefault(record.key, asyncio.Lock()):
                await job()
        except Exception as error:
            log.exception("a record cannot be worked on", partition=record.partition, offset=record.offset)
            self._fail(error)
            raise
        partition = self._partitions[_place(record)]
        partition.tasks.pop(record.offset, None)
        self._count()
        await self._done(record, consumer)

    async def _done(self, record: ConsumerRecord, consumer: Commits) -> None:
        partition = self._partitions[_place(record)]
        safe = partition.tracker.done(record.offset)
        if safe <= partition.committed:
            return
        partition.committed = safe
        try:
            await consumer.commit({_place(record): safe})
        except (KafkaError, IllegalStateError) as error:
            # The next commit of this partition covers it; if the partition was lost, its new owner repeats the work.
            partition.committed = -1
            log.warning("commit refused", partition=record.partition, offset=safe, error=str(error))

    def _count(self) -> None:
        self._on_count(sum(len(partition.tasks) for partition in self._partitions.values()))


def _place(record: ConsumerRecord) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
