"""On a real broker: how records become batches.

Each test has topics of its own and builds its subscriber by `subscribe`, as the services do.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from faststream.kafka.message import KafkaMessage

from schemas.topics import REQUESTS, Topic
from services.common.kafka.broker import build_broker, subscribe
from services.common.kafka.producer import open_producer
from services.common.settings import Settings

Batches = asyncio.Queue[list[tuple[str, bytes]]]


async def new_topics(settings: Settings, count: int) -> list[Topic]:
    topics = [replace(REQUESTS, name=f"test-{uuid4().hex[:8]}") for _ in range(count)]
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
    await admin.start()
    await admin.create_topics([NewTopic(topic.name, 1, 1) for topic in topics])
    await admin.close()
    return topics


@asynccontextmanager
async def subscribed(settings: Settings, topics: list[Topic], seconds_between: float) -> AsyncIterator[Batches]:
    batches: Batches = asyncio.Queue()

    async def handle(message: KafkaMessage) -> None:
        await batches.put([(record.topic, record.value) for record in message.raw_message])

    broker = build_broker(settings, "test")
    subscribe(broker, topics, handle, group=None, title="test", seconds_between=seconds_between)
    await broker.start()
    try:
        yield batches
    finally:
        await broker.stop()


async def test_the_first_record_waits_for_nothing(kafka_bootstrap: str) -> None:
    settings = Settings(kafka=kafka_bootstrap)
    [topic] = await new_topics(settings, 1)
    async with open_producer(settings, "test") as producer, subscribed(settings, [topic], 3600) as batches:
        await producer.publish(topic.name, None, b"1", [])
        async with asyncio.timeout(60):
            assert await batches.get() == [(topic.name, b"1")]


async def test_what_comes_soon_after_is_taken_together_from_all_topics_and_nothing_is_missed(
    kafka_bootstrap: str,
) -> None:
    """Two seconds are long against the few milliseconds that eight records take; one was fetched before its batch."""
    settings = Settings(kafka=kafka_bootstrap)
    topics = await new_topics(settings, 2)
    async with open_producer(settings, "test") as producer, subscribed(settings, topics, 2) as batches:
        await producer.publish(topics[0].name, None, b"first", [])
        async with asyncio.timeout(60):
            assert await batches.get() == [(topics[0].name, b"first")]
            sent = {(topic.name, b"%d" % number) for topic in topics for number in range(4)}
            for name, value in sorted(sent):
                await producer.publish(name, None, value, [])
            got = [set(await batches.get())]
            while len(set.union(*got)) < len(sent):
                got.append(set(await batches.get()))
            assert set.union(*got) == sent
            assert len(got) <= 3
