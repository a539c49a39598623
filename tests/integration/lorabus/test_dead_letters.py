"""Dead letters on the real topic: seen with their reasons, sent again as they came."""

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from lorabus.dead_letters import DeadLetter, dead_letters, find, replay
from lorabus.faults import BadInput
from lorabus.kafka import open_reader, partitions_of
from lorabus.settings import CallerSettings
from schemas.topics import COMMANDS, DEAD_LETTERS
from services.common.kafka.dead_letters import DeadLetters
from services.common.kafka.producer import Producer

HEADERS = [("ce_type", b"lorabus.job.cancel.v1"), ("odd", b"\xff\x00")]


async def last_record(consumer: AIOKafkaConsumer, key: bytes) -> ConsumerRecord:
    async for record in consumer:
        if record.key == key:
            return record
    raise AssertionError


async def dead_lettered(settings: CallerSettings, producer: Producer, key: bytes) -> ConsumerRecord:
    """A record of the commands topic that a service could not read."""
    await producer.publish(COMMANDS.name, key, b"\x80 no JSON", HEADERS)
    async with open_reader(settings) as consumer:
        consumer.assign(await partitions_of(COMMANDS.name, settings))
        record = await last_record(consumer, key)
    await DeadLetters(producer.publish, "ingest").add(record, "data is not JSON")
    return record


async def letter_with(settings: CallerSettings, key: bytes) -> DeadLetter:
    (letter,) = [letter async for letter in dead_letters(settings) if letter.key == key]
    return letter


async def test_a_letter_tells_where_it_stood_and_why(settings: CallerSettings, producer: Producer, job_id: str) -> None:
    record = await dead_lettered(settings, producer, job_id.encode())

    letter = await letter_with(settings, job_id.encode())

    summary = letter.summary()
    assert (summary["topic"], summary["reason"], summary["service"]) == (COMMANDS.name, "data is not JSON", "ingest")
    assert (summary["partition"], summary["offset"]) == (str(record.partition), str(record.offset))
    whole = letter.whole()
    assert whole["key"] == job_id
    assert whole["value"] == "base64:gCBubyBKU09O"
    assert whole["headers"] == {"ce_type": "lorabus.job.cancel.v1", "odd": "base64:/wA="}
    assert await find(settings, letter.id) == letter


async def test_a_replayed_letter_is_the_record_that_it_was(
    settings: CallerSettings, producer: Producer, job_id: str
) -> None:
    key = job_id.encode()
    record = await dead_lettered(settings, producer, key)

    topic = await replay(settings, await letter_with(settings, key))

    assert topic == COMMANDS.name
    async with open_reader(settings) as consumer:
        (partition,) = [p for p in await partitions_of(topic, settings) if p.partition == record.partition]
        consumer.assign([partition])
        consumer.seek(partition, record.offset + 1)
        again = await last_record(consumer, key)
    assert (again.key, again.value, list(again.headers)) == (record.key, record.value, list(record.headers))


def record_with(key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]) -> ConsumerRecord:
    return ConsumerRecord(COMMANDS.name, 3, 41, 0, 0, key, value, None, -1, -1, headers)


@pytest.mark.parametrize("key", [None, b"key"])
async def test_what_is_too_large_for_a_letter_is_told_and_cannot_be_replayed(
    settings: CallerSettings, producer: Producer, key: bytes | None, job_id: str
) -> None:
    """The broker refuses it, and a service that stopped for that would meet it again at its start."""
    record = record_with(key, b"x" * 1_100_000, [])
    await DeadLetters(producer.publish, "ingest").add(record, f"too large for {job_id}")

    (letter,) = [each async for each in dead_letters(settings) if each.told.get("reason", "").endswith(job_id)]

    assert letter.summary()["bytes"] == 1_100_000
    with pytest.raises(BadInput, match=f"at {COMMANDS.name} 3:41"):
        await replay(settings, letter)


async def test_a_record_of_nothing_is_a_letter_too(settings: CallerSettings, producer: Producer, job_id: str) -> None:
    """aiokafka sends none with neither key nor value; other producers do."""
    await DeadLetters(producer.publish, "ingest").add(record_with(None, None, []), f"without data for {job_id}")

    (letter,) = [each async for each in dead_letters(settings) if each.told.get("reason", "").endswith(job_id)]

    assert letter.summary()["bytes"] == 0
    assert await replay(settings, letter) == COMMANDS.name


@pytest.mark.parametrize("letter_id", ["99:1", "0:99999999", "x", "", "1"])
async def test_a_letter_that_is_not_there_is_said_so(settings: CallerSettings, letter_id: str) -> None:
    with pytest.raises(BadInput, match="dead letter"):
        await find(settings, letter_id)


async def test_a_letter_without_a_topic_of_ours_goes_nowhere(settings: CallerSettings, producer: Producer) -> None:
    await producer.publish(DEAD_LETTERS.name, b"strange", b"{}", [("lorabus_dlq_topic", b"elsewhere")])

    with pytest.raises(BadInput, match="came from 'elsewhere', which is no topic of lorabus"):
        await replay(settings, await letter_with(settings, b"strange"))
