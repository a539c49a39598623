"""Kafka as a caller uses it: readers without a group, and faults that name the address soon."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from services.common.errors import StartError, Unreachable
from services.common.kafka.connection import client_options
from services.common.settings import Settings

CONNECT_SECONDS = 8.0
T = TypeVar("T")


@asynccontextmanager
async def open_reader(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer that is assigned by its user and commits nothing; raises `Unreachable` within about ten seconds."""
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        client_id="lorabus",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    try:
        await within(CONNECT_SECONDS, consumer.start(), settings)
        # A task of aiokafka's must have had its first turn, or a stop that follows at once raises CancelledError.
        await asyncio.sleep(0)
        yield consumer
    finally:
        await consumer.stop()


async def partitions_of(topic: str, settings: Settings) -> list[TopicPartition]:
    """The topic's partitions, in order. A consumer would wait for a topic that is missing; here it is said."""
    answer = await within(CONNECT_SECONDS, _describe(topic, settings), settings)
    if not answer:
        raise StartError(f"Kafka at {settings.kafka} has no topic {topic}: run `lorabus topics apply` or `lorabus up`")
    return [TopicPartition(topic, number) for number in sorted(answer)]


async def within(seconds: float, work: Awaitable[T], settings: Settings) -> T:
    """Await something that Kafka should answer soon; silence and refusal are both `Unreachable`."""
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError as error:
        raise Unreachable("Kafka", settings.kafka, f"no answer within {seconds:.0f} s") from error
    except KafkaError as error:
        raise Unreachable("Kafka", settings.kafka, "connection failed") from error


async def _describe(topic: str, settings: Settings) -> list[int]:
    admin = AIOKafkaAdminClient(**client_options(settings))
    try:
        await admin.start()
        (answer,) = await admin.describe_topics([topic])
        return [int(partition["partition"]) for partition in answer["partitions"]]
    finally:
        await admin.close()
