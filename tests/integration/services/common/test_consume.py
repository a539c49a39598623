"""On a real broker: nothing readable is lost, nothing unreadable blocks, and a fault of the world is waited out.

Each test has topics of its own; a consumer runs as the services build it (`subscribe`, `Consumption.beside`, `Work`).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

import pytest
import stamina
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.record.util import calc_crc32c

from schemas.envelope import Envelope, encode
from schemas.failures import Reason
from schemas.topics import DEAD_LETTERS, REQUESTS, Topic
from services.common.errors import WorldError
from services.common.kafka.broker import build_broker, subscribe
from services.common.kafka.consume import Consumption, Handle, Received
from services.common.kafka.dead_letters import DeadLetters, TooManyDeadLettersError, Unreadable
from services.common.kafka.producer import Producer, open_producer
from services.common.kafka.topics import apply_topics
from services.common.kafka.work import Work
from services.common.settings import Settings

KEY_OF_PARTITION_0 = next(
    key for key in (b"%d" % n for n in range(99)) if DefaultPartitioner()(key, [0, 1], [0, 1]) == 0
)


@pytest.fixture
async def settings(kafka_bootstrap: str) -> Settings:
    settings = Settings(kafka=kafka_bootstrap)
    await apply_topics(settings)
    return settings


@pytest.fixture
async def producer(settings: Settings) -> AsyncIterator[Producer]:
    async with open_producer(settings, "test") as producer:
        yield producer


@pytest.fixture
async def topic(settings: Settings) -> Topic:
    name = f"test-{uuid4().hex[:8]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
    await admin.start()
    await admin.create_topics([NewTopic(name, 2, 1)])
    await admin.close()
    return replace(REQUESTS, name=name)


def event(number: int) -> tuple[bytes | None, list[tuple[str, bytes]]]:
    return encode(Envelope(type="t", source="s", data={"n": number}))


@asynccontextmanager
async def consuming(
    settings: Settings, topic: Topic, producer: Producer, handle: Handle, *, contained: bool = False, **limits: float
) -> AsyncIterator[list[BaseException]]:
    failures: list[BaseException] = []
    letters = DeadLetters(producer.publish, "test", **limits)  # type: ignore[arg-type]
    work = Work(failures.append, drain_seconds=5)
    on_batch = Consumption(letters, failures.append, contained).beside(work, handle)
    broker = build_broker(settings, "test")
    subscribe(broker, [topic], on_batch, group=f"group-{topic.name}", title="test", listener=work)
    await broker.start()
    try:
        yield failures
    finally:
        await work.stop()
        await broker.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


async def dead_letters(settings: Settings, topic: Topic, count: int) -> list[dict[str, bytes]]:
    consumer = AIOKafkaConsumer(DEAD_LETTERS.name, bootstrap_servers=settings.kafka, auto_offset_reset="earliest")
    await consumer.start()
    found: list[dict[str, bytes]] = []
    try:
        async with asyncio.timeout(30):
            async for record in consumer:
                headers = dict(record.headers)
                if headers["lorabus_dlq_topic"] == topic.name.encode():
                    found.append({**headers, "value": record.value})
                if len(found) == count:
                    return found
    finally:
        await consumer.stop()
    return found


async def send_with_broken_name(settings: Settings, topic: Topic) -> None:
    """One batch of three records; the second has a header with the name FF FE, which no Python client would send."""
    client = AIOKafkaProducer(bootstrap_servers=settings.kafka)
    await client.start()
    batch = client.create_batch()
    value, headers = event(1)
    for more in ([], [("QQ", b"")], []):
        batch.append(key=KEY_OF_PARTITION_0, value=value, timestamp=None, headers=[*headers, *more])
    batch.close()
    body = bytes(batch._build()).replace(b"QQ", b"\xff\xfe")
    batch._buffer = bytearray(body[:17] + calc_crc32c(body[21:]).to_bytes(4) + body[21:])
    await (await client.send_batch(batch, topic.name, partition=0))
    await client.stop()


def collecting(seen: list[object]) -> Callable[[Received], Awaitable[None]]:
    async def handle(received: Received) -> None:
        seen.append((received.envelope.data or {}).get("n"))

    return handle


async def test_rubbish_is_dead_lettered_as_it_came_and_the_next_record_is_handled(
    settings: Settings, topic: Topic, producer: Producer
) -> None:
    seen: list[object] = []
    value, headers = event(1)
    await producer.publish(topic.name, b"k", value, [("ce_id", b"\xff\xfe")])
    await producer.publish(topic.name, b"k", b"\x00rubbish", headers)
    await producer.publish(topic.name, b"k", value, headers)
    async with consuming(settings, topic, producer, collecting(seen)):
        await until(lambda: seen == [1])
    letters = await dead_letters(settings, topic, 2)
    assert letters[0]["ce_id"] == b"\xff\xfe"
    assert letters[1]["value"] == b"\x00rubbish"
    assert b"not JSON" in letters[1]["lorabus_dlq_reason"]
    assert letters[1]["lorabus_dlq_offset"] == b"1"


async def test_a_header_s_name_that_is_no_text_holds_nobody_up(
    settings: Settings, topic: Topic, producer: Producer
) -> None:
    """aiokafka raised at it, began again, and raised: its partition stood still."""
    seen: list[object] = []
    await send_with_broken_name(settings, topic)
    for number in (2, 3):
        await producer.publish(topic.name, KEY_OF_PARTITION_0, *event(number))
    async with consuming(settings, topic, producer, collecting(seen)) as failures:
        await until(lambda: seen == [1, 2, 3])
    assert failures == []


async def test_a_record_nobody_can_use_is_dead_lettered_with_the_handlers_words(
    settings: Settings, topic: Topic, producer: Producer
) -> None:
    async def handle(received: Received) -> None:
        raise Unreadable(f"no use for {received.offset}")

    await producer.publish(topic.name, b"k", *event(1))
    async with consuming(settings, topic, producer, handle):
        letters = await dead_letters(settings, topic, 1)
    assert letters[0]["lorabus_dlq_reason"] == b"no use for 0"


@pytest.mark.parametrize("contained", [True, False])
async def test_a_fault_of_ours_is_contained_where_that_is_asked_for(
    settings: Settings, topic: Topic, producer: Producer, contained: bool
) -> None:
    seen: list[object] = []

    async def handle(received: Received) -> None:
        number = (received.envelope.data or {})["n"]
        if number == 2:
            raise ZeroDivisionError("a fault")
        seen.append(number)

    for number in (1, 2, 3):
        value, headers = event(number)
        await producer.publish(topic.name, KEY_OF_PARTITION_0, value, headers)
    async with consuming(settings, topic, producer, handle, contained=contained) as failures:
        await until(lambda: 3 in seen and (contained or bool(failures)))
        if contained:
            [letter] = await dead_letters(settings, topic, 1)
            assert b"ZeroDivisionError: a fault" in letter["lorabus_dlq_reason"]
            assert failures == []


async def test_what_was_handled_is_not_handled_again_by_the_next_consumer(
    settings: Settings, topic: Topic, producer: Producer
) -> None:
    seen: list[object] = []
    for number in range(50):
        await producer.publish(topic.name, f"k{number}".encode(), *event(number))
    async with consuming(settings, topic, producer, collecting(seen)):
        await until(lambda: len(seen) == 50)
    await producer.publish(topic.name, b"k", *event(99))
    async with consuming(settings, topic, producer, collecting(seen)):
        await until(lambda: 99 in seen)
    assert sorted(seen, key=str) == sorted([*range(50), 99], key=str)


async def test_records_of_one_key_keep_their_order_while_the_world_fails(
    settings: Settings, topic: Topic, producer: Producer
) -> None:
    seen: list[object] = []
    failures_left = {3: 2, 7: 1}

    async def handle(received: Received) -> None:
        number = (received.envelope.data or {})["n"]
        if failures_left.get(number, 0):  # type: ignore[call-overload]
            failures_left[number] -= 1  # type: ignore[index]
            raise WorldError(Reason.STORE_UNAVAILABLE, "the store is away")
        seen.append(number)

    for number in range(10):
        await producer.publish(topic.name, b"one key", *event(number))
    with stamina.set_testing(True, attempts=5):
        async with consuming(settings, topic, producer, handle):
            await until(lambda: len(seen) == 10)
    assert seen == list(range(10))


async def test_past_its_limit_of_dead_letters_the_consumer_stops_and_says_why(
    settings: Settings, topic: Topic, producer: Producer
) -> None:
    for _ in range(20):
        await producer.publish(topic.name, b"k", b"rubbish", [])
    async with consuming(settings, topic, producer, collecting([]), max_share=0.5, at_least=10) as failures:
        await until(lambda: bool(failures))
    assert isinstance(failures[0], TooManyDeadLettersError)
    assert "lorabus dlq list" in str(failures[0])


async def test_what_was_put_aside_before_the_stop_is_not_put_aside_again(
    settings: Settings, topic: Topic, producer: Producer
) -> None:
    for _ in range(12):
        await producer.publish(topic.name, b"k", b"rubbish", [])
    async with consuming(settings, topic, producer, collecting([]), max_share=0.5, at_least=10) as failures:
        await until(lambda: len(failures) == 3)

    await producer.publish(topic.name, b"k", b"rubbish", [])
    async with consuming(settings, topic, producer, collecting([])):
        letters = await dead_letters(settings, topic, 13)
    assert [letter["lorabus_dlq_offset"] for letter in letters] == [str(number).encode() for number in range(13)]


async def test_topics_are_created_once_and_checked(settings: Settings) -> None:
    assert set((await apply_topics(settings)).values()) == {"exists"}
