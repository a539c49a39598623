"""What Kafka holds of the topics that the read model is built from."""

from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError

from schemas.topics import EVENTS, JOBS
from services.common.errors import StartError
from services.common.kafka.connection import client_options, unreachable
from services.common.settings import Settings

Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class KafkaLog:
    """One cluster's offsets at one time: the first and the next one of each topic's partition."""

    cluster: str
    begins: dict[Place, int]
    ends: dict[Place, int]


class LogReader:
    """Asks for offsets over a connection of its own: behind a waiting fetch an answer takes half a second."""

    def __init__(self, consumer: AIOKafkaConsumer, cluster: str, places: Collection[Place]) -> None:
        """Take a started consumer that subscribes to nothing, and the partitions of both topics."""
        self._consumer, self._cluster, self._places = consumer, cluster, places

    async def look(self) -> KafkaLog:
        """Look at all partitions of both topics."""
        return KafkaLog(self._cluster, *(await self.offsets(self._places)))

    async def offsets(self, places: Iterable[Place]) -> tuple[dict[Place, int], dict[Place, int]]:
        """Give the first and the next offset of each."""
        partitions = [TopicPartition(*place) for place in places]
        begins = await self._consumer.beginning_offsets(partitions)
        ends = await self._consumer.end_offsets(partitions)
        return _plain(begins), _plain(ends)


@asynccontextmanager
async def open_log_reader(settings: Settings) -> AsyncIterator[LogReader]:
    """Connect; raises `Unreachable` naming the address, or `StartError` when a topic is not there."""
    consumer = AIOKafkaConsumer(**client_options(settings), client_id=f"lorabus-ingest-{settings.worker}-offsets")
    try:
        cluster, places = await _describe(settings)
        await consumer.start()
        yield LogReader(consumer, cluster, places)
    except KafkaConnectionError as error:
        raise unreachable(settings, error) from error
    finally:
        await consumer.stop()


async def _describe(settings: Settings) -> tuple[str, list[Place]]:
    admin = AIOKafkaAdminClient(**client_options(settings))
    try:
        await admin.start()
        found = await admin.describe_topics([JOBS.name, EVENTS.name])
        cluster = (await admin.describe_cluster())["cluster_id"]
    finally:
        await admin.close()
    missing = [topic["topic"] for topic in found if topic["error_code"]]
    if missing:
        raise StartError(f"Kafka has no topic {' and no '.join(missing)}: run `lorabus topics apply`")
    return str(cluster), [(topic["topic"], part["partition"]) for topic in found for part in topic["partitions"]]


def _plain(offsets: dict[TopicPartition, int]) -> dict[Place, int]:
    return {(place.topic, place.partition): offset for place, offset in offsets.items()}
