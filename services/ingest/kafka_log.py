"""What Kafka holds of the topics that the read model is built from, looked at once before it is opened."""

from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError

from schemas.topics import EVENTS, JOBS
from services.common.errors import StartError
from services.common.kafka.connection import client_options, unreachable
from services.common.settings import Settings

Offsets = dict[tuple[str, int], int]


@dataclass(frozen=True, slots=True)
class KafkaLog:
    """The cluster's id, and the first and the next offset of each partition."""

    cluster: str
    begins: Offsets
    ends: Offsets


async def look(settings: Settings) -> KafkaLog:
    """Ask Kafka; raises `Unreachable`, or `StartError` when a topic is not there."""
    consumer, admin = AIOKafkaConsumer(**client_options(settings)), AIOKafkaAdminClient(**client_options(settings))
    try:
        await consumer.start()
        await admin.start()
        partitions = await _partitions(consumer)
        return KafkaLog(
            cluster=str((await admin.describe_cluster())["cluster_id"]),
            begins=_plain(await consumer.beginning_offsets(partitions)),
            ends=_plain(await consumer.end_offsets(partitions)),
        )
    except KafkaConnectionError as error:
        raise unreachable(settings, error) from error
    finally:
        await admin.close()
        await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer) -> list[TopicPartition]:
    there = await consumer.topics()
    missing = [topic.name for topic in (JOBS, EVENTS) if topic.name not in there]
    if missing:
        raise StartError(f"Kafka has no topic {' and no '.join(missing)}: run `lorabus topics apply`")
    return [
        TopicPartition(topic.name, number)
        for topic in (JOBS, EVENTS)
        for number in consumer.partitions_for_topic(topic.name) or ()
    ]


def _plain(offsets: dict[TopicPartition, int]) -> Offsets:
    return {(place.topic, place.partition): offset for place, offset in offsets.items()}
