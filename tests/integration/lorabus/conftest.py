"""A real broker with the real topics, and an ingest whose HTTP answers the test decides."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import web

from lorabus.api import open_api
from lorabus.client import LorabusClient
from lorabus.settings import CallerSettings
from schemas.jobs import JobRow
from services.common.journal import Journal
from services.common.kafka.producer import Producer, open_producer
from services.common.kafka.topics import apply_topics
from services.common.telemetry import new_traceparent

OpenJournal = Callable[..., Journal]


@dataclass
class FakeIngest:
    """Knows the rows that a test puts in; `silent` makes it answer 503, as while it starts."""

    rows: dict[str, JobRow] = field(default_factory=dict)
    silent: bool = False
    address: str = ""

    async def job(self, request: web.Request) -> web.Response:
        if self.silent:
            return web.json_response({"title": "not ready"}, status=503)
        row = self.rows.get(request.match_info["job"])
        return web.json_response(row.to_wire()) if row else web.json_response({"title": "No such job"}, status=404)


@pytest.fixture
async def ingest() -> AsyncIterator[FakeIngest]:
    fake = FakeIngest()
    application = web.Application()
    application.add_routes([web.get("/v1/jobs/{job}", fake.job)])
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    fake.address = f"{host}:{port}"
    yield fake
    await runner.cleanup()


@pytest.fixture
async def settings(kafka_bootstrap: str, ingest: FakeIngest, tmp_path: Path) -> CallerSettings:
    found = CallerSettings(kafka=kafka_bootstrap, http_addr=ingest.address, home=tmp_path)
    await apply_topics(found)
    return found


@pytest.fixture
async def client(settings: CallerSettings) -> AsyncIterator[LorabusClient]:
    async with open_api(settings) as api:
        yield LorabusClient(settings, api)


@pytest.fixture
async def producer(settings: CallerSettings) -> AsyncIterator[Producer]:
    async with open_producer(settings, "test") as started:
        yield started


@pytest.fixture
def job_id() -> str:
    return f"default.watched.{uuid4().hex[:12]}"


@pytest.fixture
def journal(producer: Producer, job_id: str) -> OpenJournal:
    """Writes events of the test's job as a service does."""

    def opened(source: str, attempt: int = 0) -> Journal:
        return Journal(producer.publish, job_id=job_id, attempt=attempt, source=source, traceparent=new_traceparent())

    return opened
