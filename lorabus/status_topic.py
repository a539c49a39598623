"""The status topic as a caller reads it: without a group, from positions of its own choosing.

Offsets are read, never committed, so that any number of people can follow the same job.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.partitioner import DefaultPartitioner

from lorabus.events import Event, event_of
from lorabus.kafka import CONNECT_SECONDS, open_reader, partitions_of, within
from schemas.envelope import EnvelopeError, decode
from schemas.topics import EVENTS
from services.common.errors import Unreachable
from services.common.settings import Settings

SILENCE_SECONDS = 60.0
"""How long a broker may be away in the middle of reading before it counts as gone."""
Offsets = Mapping[int, int]
"""Partition to offset."""


class StatusTopic:
    """A connected reader. Read with `events` from one partition, or from all."""

    def __init__(self, consumer: AIOKafkaConsumer, settings: Settings, partitions: list[TopicPartition]) -> None:
        self._consumer = consumer
        self._settings = settings
        self._partitions = partitions

    def partition_of(self, job_id: str) -> int:
        """The partition with all events of a job: they are keyed by its id."""
        numbers = [partition.partition for partition in self._partitions]
        return int(DefaultPartitioner()(job_id.encode(), numbers, numbers))

    async def ends(self) -> dict[int, int]:
        """The offset that the next record of each partition will get."""
        found = await within(CONNECT_SECONDS, self._consumer.end_offsets(self._partitions), self._settings)
        return {partition.partition: offset for partition, offset in found.items()}

    async def events(self, starts: Offsets, known: Offsets) -> AsyncIterator[Event | None]:
        """Every event from `starts` on; None whenever there was nothing to read for a moment.

        Events below `known` are marked as replayed. What is no event is passed over.
        """
        partitions = {TopicPartition(EVENTS.name, number): offset for number, offset in starts.items()}
        self._consumer.assign(list(partitions))
        for partition, offset in partitions.items():
            self._consumer.seek(partition, offset)
        while True:
            batches = await self._consumer.getmany(timeout_ms=500)
            for record in (record for batch in batches.values() for record in batch):
                event = _event(record, known)
                if event is not None:
                    yield event
            if not batches:
                yield None

    async def position(self, partition: int) -> int:
        """The offset of the next record that `events` will read."""
        return int(await self._consumer.position(TopicPartition(EVENTS.name, partition)))

    async def check(self) -> None:
        """Ask the broker for a sign of life; raises `Unreachable` when none comes for a while."""
        deadline = asyncio.get_running_loop().time() + SILENCE_SECONDS
        while True:
            try:
                await self.ends()
            except Unreachable:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(1)
            else:
                return


@asynccontextmanager
async def open_status_topic(settings: Settings) -> AsyncIterator[StatusTopic]:
    """Connect; raises `Unreachable` within about ten seconds, naming the address."""
    partitions = await partitions_of(EVENTS.name, settings)
    async with open_reader(settings) as consumer:
        yield StatusTopic(consumer, settings, partitions)


def _event(record: ConsumerRecord, known: Offsets) -> Event | None:
    try:
        envelope = decode(record.value, record.headers)
    except EnvelopeError:
        return None
    replayed = record.offset < known.get(record.partition, 0)
    return event_of(envelope, position=(record.partition, record.offset), replayed=replayed)
