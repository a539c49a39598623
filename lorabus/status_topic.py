"""The status topic as a caller reads it: without a group, from positions of its own choosing.

Offsets are read, never committed, so that any number of people can follow the same job.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner

from lorabus.events import Event, event_of
from schemas.envelope import EnvelopeError, decode
from schemas.topics import EVENTS
from services.common.errors import StartError, Unreachable
from services.common.kafka.connection import client_options
from services.common.settings import Settings

CONNECT_SECONDS = 8.0
SILENCE_SECONDS = 60.0
"""How long a broker may be away in the middle of reading before it counts as gone."""
T = TypeVar("T")


class StatusTopic:
    """A connected reader. Read with `events` from one partition, or from all."""

    def __init__(self, consumer: AIOKafkaConsumer, settings: Settings, partitions: list[int]) -> None:
        self._consumer = consumer
        self._settings = settings
        self.partitions = partitions

    def partition_of(self, job_id: str) -> int:
        """The partition with all events of a job: they are keyed by its id."""
        return int(DefaultPartitioner()(job_id.encode(), self.partitions, self.partitions))

    async def ends(self) -> dict[int, int]:
        """The offset that the next record of each partition will get."""
        asked = [TopicPartition(EVENTS.name, partition) for partition in self.partitions]
        found = await within(CONNECT_SECONDS, self._consumer.end_offsets(asked), self._settings)
        return {partition.partition: offset for partition, offset in found.items()}

    async def events(self, starts: dict[int, int], known: dict[int, int]) -> AsyncIterator[Event | None]:
        """Every event from `starts` (partition -> offset) on; None whenever there was nothing to read for a moment.

        Events below `known` (partition -> offset) are marked as replayed. What is no event is passed over.
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
    partitions = await within(CONNECT_SECONDS, _partitions(settings), settings)
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        client_id="lorabus",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    try:
        await within(CONNECT_SECONDS, consumer.start(), settings)
        yield StatusTopic(consumer, settings, partitions)
    finally:
        await consumer.stop()


async def _partitions(settings: Settings) -> list[int]:
    """The topic's partitions. A consumer would wait for a topic that is missing; here it is said."""
    admin = AIOKafkaAdminClient(**client_options(settings))
    try:
        await admin.start()
        (answer,) = await admin.describe_topics([EVENTS.name])
    finally:
        await admin.close()
    if not answer["partitions"]:
        raise StartError(
            f"Kafka at {settings.kafka} has no topic {EVENTS.name}: run `lorabus topics apply` or `lorabus up`"
        )
    return sorted(int(partition["partition"]) for partition in answer["partitions"])


async def within(seconds: float, work: Awaitable[T], settings: Settings) -> T:
    """Await something that Kafka should answer soon; silence and refusal are both `Unreachable`."""
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError as error:
        raise Unreachable("Kafka", settings.kafka, f"no answer within {seconds:.0f} s") from error
    except KafkaError as error:
        raise Unreachable("Kafka", settings.kafka, "connection failed") from error


def _event(record: ConsumerRecord, known: dict[int, int]) -> Event | None:
    try:
        envelope = decode(record.value, record.headers)
    except EnvelopeError:
        return None
    replayed = record.offset < known.get(record.partition, 0)
    return event_of(envelope, position=(record.partition, record.offset), replayed=replayed)
