"""Proves on a real broker that each adapter is published once, and that only what is done is committed.

The service runs as `app.publisher` wires it; the trainer is this test, which sends `adapter.trained`.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import ClientSession
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from schemas import store_keys
from schemas.envelope import Envelope, decode, encode
from schemas.records import CancelRecord, SpecRecord, as_json
from schemas.topics import ADAPTERS, DEAD_LETTERS, EVENTS, short_type
from services.common.journal import now
from services.common.kafka.producer import Producer, open_producer
from services.common.kafka.topics import apply_topics
from services.common.lifetime import Lifetime
from services.common.object_store import ObjectStore, open_store
from services.publisher.app import GROUP, publisher
from services.publisher.settings import PublisherSettings
from tests.component.services.publisher.jobs import adapter_trained, to_claim, to_image, trained_job, write_secret


@pytest.fixture
async def settings(tmp_path: Path, kafka_bootstrap: str, registry_address: str) -> PublisherSettings:
    made = PublisherSettings(
        home=tmp_path,
        kafka=kafka_bootstrap,
        insecure_registries=registry_address,
        publish_retry_seconds=1,
    )
    write_secret(made.secrets_dir, registry_address)
    await apply_topics(made)
    return made


@pytest.fixture
def store(settings: PublisherSettings) -> ObjectStore:
    return open_store(settings)


@pytest.fixture
async def producer(settings: PublisherSettings) -> AsyncIterator[Producer]:
    async with open_producer(settings, "test-trainer") as made:
        yield made


@asynccontextmanager
async def running(settings: PublisherSettings) -> AsyncIterator[str]:
    lifetime = Lifetime()
    async with publisher(settings, lifetime) as address:
        yield address
    assert lifetime.error is None


async def hand_over(producer: Producer, record: SpecRecord, attempt: int = 1) -> TopicPartition:
    value, headers = encode(adapter_trained(record, attempt))
    sent = await producer.publish(ADAPTERS.name, record.job_id.encode(), value, headers)
    return TopicPartition(ADAPTERS.name, sent.partition)


async def events_of(settings: PublisherSettings, *records: SpecRecord) -> dict[str, list[Envelope]]:
    """The publisher's events of these jobs, read until each has ended."""
    found: dict[str, list[Envelope]] = {record.job_id: [] for record in records}
    consumer = AIOKafkaConsumer(EVENTS.name, bootstrap_servers=settings.kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(60):
            async for message in consumer:
                # Other tests share the topic, and some of them send rubbish to it on purpose.
                job_id = (message.key or b"").decode(errors="replace")
                if job_id in found:
                    found[job_id].append(decode(message.value, message.headers))
                if all(events and events[-1].type.startswith("lorabus.job.") for events in found.values()):
                    return found
    finally:
        await consumer.stop()
    raise AssertionError("a consumer's loop does not end")


async def committed(settings: PublisherSettings, place: TopicPartition) -> int:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(GROUP)
        return int(offsets[place].offset) if place in offsets else -1
    finally:
        await admin.close()


async def end_offset(settings: PublisherSettings, place: TopicPartition) -> int:
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka)
    await consumer.start()
    try:
        return int((await consumer.end_offsets([place]))[place])
    finally:
        await consumer.stop()


async def _never_answer(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


def unique(registry_address: str) -> str:
    return f"{registry_address}/kafka/{uuid4().hex[:8]}:v1"


async def test_a_trained_adapter_is_published_and_its_record_committed(
    settings: PublisherSettings, store: ObjectStore, producer: Producer, registry_address: str
) -> None:
    record = await trained_job(store, to_image(unique(registry_address)))
    async with running(settings) as address:
        place = await hand_over(producer, record)
        events = (await events_of(settings, record))[record.job_id]
        async with ClientSession() as session, session.get(f"http://{address}/readyz") as ready:
            assert ready.status == 200

    assert [short_type(event.type) for event in events][-2:] == ["image.published", "job.succeeded"]
    assert [event.id.split(":")[1:] for event in events] == [
        ["1", "publisher", str(number + 1)] for number in range(len(events))
    ]
    assert {event.traceparent for event in events} == {record.traceparent}
    assert await committed(settings, place) == await end_offset(settings, place)


async def test_both_outputs_and_a_failing_one_side_by_side(
    settings: PublisherSettings, store: ObjectStore, producer: Producer, registry_address: str
) -> None:
    """A registry that is not there holds nobody up, and ends in a failure that says which."""
    dead = await trained_job(store, to_image("127.0.0.1:9/nobody/there:v1"), name="dead")
    image = await trained_job(store, to_image(unique(registry_address)), name="image")
    volume = await trained_job(store, to_claim("claim"), name="volume")
    write_secret(settings.secrets_dir, "127.0.0.1:9")
    insecure = (registry_address, "127.0.0.1:9")
    async with running(settings.model_copy(update={"insecure_registries": insecure})):
        for record in (dead, image, volume):
            await hand_over(producer, record)
        found = await events_of(settings, dead, image, volume)

    assert found[image.job_id][-1].type == "lorabus.job.succeeded.v1"
    assert found[volume.job_id][-1].type == "lorabus.job.succeeded.v1"
    data = found[dead.job_id][-1].data or {}
    assert (data["reason"], data["retryable"]) == ("RegistryUnavailable", True)
    assert "127.0.0.1:9/nobody/there:v1" in str(data["message"])
    assert await store.exists(store_keys.adapter_manifest(dead.job_id))


async def test_a_cancelled_job_ends_as_cancelled(
    settings: PublisherSettings, store: ObjectStore, producer: Producer
) -> None:
    record = await trained_job(store, to_claim("claim"))
    await store.create(store_keys.cancel(record.job_id), as_json(CancelRecord(requested_at=now())))
    async with running(settings):
        await hand_over(producer, record)
        events = (await events_of(settings, record))[record.job_id]
    assert [short_type(event.type) for event in events] == ["job.cancelled"]
    assert not (settings.volumes_dir / "claim" / record.job_id).exists()


async def test_what_nobody_can_publish_is_a_dead_letter_and_is_committed(
    settings: PublisherSettings, store: ObjectStore, producer: Producer
) -> None:
    ghost = await trained_job(store, to_claim("claim"), name="ghost")
    await store.delete(store_keys.spec(ghost.job_id))
    async with running(settings):
        place = await hand_over(producer, ghost)
        consumer = AIOKafkaConsumer(DEAD_LETTERS.name, bootstrap_servers=settings.kafka, auto_offset_reset="earliest")
        await consumer.start()
        try:
            async with asyncio.timeout(30):
                async for message in consumer:
                    if message.key == ghost.job_id.encode():
                        break
        finally:
            await consumer.stop()
        end = await end_offset(settings, place)
        async with asyncio.timeout(30):
            while await committed(settings, place) < end:
                await asyncio.sleep(0.05)
    reason = dict(message.headers)["lorabus_dlq_reason"].decode()
    assert ghost.job_id in reason
    assert json.loads(message.value)["jobId"] == ghost.job_id


async def test_a_publisher_that_is_ended_leaves_its_work_to_the_next(
    settings: PublisherSettings, store: ObjectStore, producer: Producer, registry_address: str
) -> None:
    """The first one meets a registry that never answers, and is stopped; the second one publishes."""
    record = await trained_job(store, to_image(unique(registry_address)))
    hanging = await asyncio.start_server(_never_answer, "127.0.0.1", 0)
    port = hanging.sockets[0].getsockname()[1]
    stuck = await trained_job(store, to_image(f"127.0.0.1:{port}/a/b:v1"), name="stuck")
    write_secret(settings.secrets_dir, f"127.0.0.1:{port}")
    patient = settings.model_copy(update={"insecure_registries": (registry_address, f"127.0.0.1:{port}")})
    async with running(patient):
        place = await hand_over(producer, stuck)
        async with asyncio.timeout(30):
            while not await store.exists(store_keys.outbox(stuck.job_id, 1, "publisher")):
                await asyncio.sleep(0.02)
    hanging.close()
    assert await committed(settings, place) < await end_offset(settings, place)
    async with running(patient):
        await hand_over(producer, record)
        found = await events_of(settings, record, stuck)
    assert found[record.job_id][-1].type == "lorabus.job.succeeded.v1"
    assert (found[stuck.job_id][-1].data or {})["reason"] == "RegistryUnavailable"
    numbers = [int(event.id.rsplit(":", 1)[1]) for event in found[stuck.job_id]]
    assert sorted(set(numbers)) == list(range(1, max(numbers) + 1))
