"""Ingest on a real broker, and a user who sends requests and reads the status topic."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, ConsumerRecord

from schemas.envelope import Envelope, decode, encode
from schemas.topics import COMMANDS, DEAD_LETTERS, EVENTS, JOBS, REQUESTS, full_type, short_type
from services.common.kafka.connection import client_options
from services.common.kafka.producer import Producer, open_producer
from services.common.lifetime import Lifetime
from services.ingest.app import ingest
from services.ingest.settings import IngestSettings
from tests.component.services.ingest.harness import workspace

PATIENCE = 40


class User:
    """Sends to ingest's topics and remembers what came on the others."""

    def __init__(self, producer: Producer, consumer: AIOKafkaConsumer) -> None:
        self._producer, self._consumer = producer, consumer
        self.records: list[ConsumerRecord] = []
        self.name = f"w{uuid4().hex[:10]}"

    async def request(self, data: object, **event: Any) -> str:
        request_id = str(uuid4())
        envelope = Envelope(
            **{"type": full_type("tuning.request"), "source": "test", "data": {}, "id": request_id, **event}
        )
        _, headers = encode(envelope)
        await self._producer.publish(REQUESTS.name, None, json.dumps(data).encode(), headers)
        return request_id

    async def raw(self, value: bytes | None, headers: list[tuple[str, bytes]] | None = None) -> None:
        await self._producer.publish(REQUESTS.name, b"k", value, headers or [])

    async def cancel(self, job_id: str) -> None:
        data: dict[str, object] = {"jobId": job_id, "requestedBy": "test"}
        value, headers = encode(Envelope(type=full_type("job.cancel"), source="test", data=data))
        await self._producer.publish(COMMANDS.name, job_id.encode(), value, headers)

    async def event(self, envelope: Envelope) -> None:
        value, headers = encode(envelope)
        await self._producer.publish(EVENTS.name, (envelope.subject or "").encode(), value, headers)

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                found = await self._consumer.getmany(timeout_ms=200)
                self.records += [record for records in found.values() for record in records]

    def on(self, topic: str) -> list[ConsumerRecord]:
        return [record for record in self.records if record.topic == topic]

    def answers(self, request_id: str) -> list[Envelope]:
        found = [decode(record.value, record.headers) for record in self.on(EVENTS.name)]
        return [envelope for envelope in found if envelope.extensions.get("requestid") == request_id]

    def types(self, job_id: str) -> list[str]:
        mine = [record for record in self.on(EVENTS.name) if record.key == job_id.encode()]
        return [short_type(decode(record.value, record.headers).type) for record in mine]

    def rows(self, job_id: str) -> list[dict[str, Any]]:
        return [json.loads(record.value) for record in self.on(JOBS.name) if record.key == job_id.encode()]

    def dead(self, reason: str) -> list[ConsumerRecord]:
        letters = self.on(DEAD_LETTERS.name)
        return [record for record in letters if reason in dict(record.headers)["lorabus_dlq_reason"].decode()]

    async def accepted(self, **tuning: Any) -> str:
        """Send a Workspace under this user's name and give the id of the job that it became."""
        request_id = await self.request({"workspace": workspace(self.name, **tuning)})
        await self.until(lambda: self.answers(request_id))
        answer = self.answers(request_id)[0]
        assert short_type(answer.type) == "job.accepted", answer
        return answer.subject or ""


@asynccontextmanager
async def a_user(settings: IngestSettings) -> AsyncIterator[User]:
    """Reads from now on."""
    consumer = AIOKafkaConsumer(
        EVENTS.name, JOBS.name, DEAD_LETTERS.name, **client_options(settings), auto_offset_reset="latest"
    )
    await consumer.start()
    try:
        await consumer.seek_to_end()
        for partition in consumer.assignment():
            await consumer.position(partition)
        async with open_producer(settings, "user") as producer:
            yield User(producer, consumer)
    finally:
        await consumer.stop()


@asynccontextmanager
async def running_ingest(settings: IngestSettings) -> AsyncIterator[str]:
    """One ingest process, in this one; a fault of it fails the test."""
    lifetime = Lifetime()
    async with ingest(settings, lifetime) as address:
        yield f"http://{address}"
    assert lifetime.error is None, lifetime.error


def settings_for(kafka: str, home: Path) -> IngestSettings:
    """An ingest with a home of its own, a push secret in it."""
    (home / "secrets" / "push").mkdir(parents=True)
    (home / "secrets" / "push" / ".dockerconfigjson").write_text("{}")
    return IngestSettings(home=home, kafka=kafka, http_addr="127.0.0.1:0")
