"""The HTTP API served by uvicorn on a free port, on a store in memory and without Kafka; and a client of it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from schemas.envelope import Envelope
from schemas.jobs import JobRow, Position, fold
from services.common.kafka.dead_letters import DeadLetters
from services.ingest.http import build_app
from services.ingest.http_guard import read_tokens
from services.ingest.http_jobs import Jobs
from services.ingest.http_server import serve
from services.ingest.idempotency import Idempotency
from services.ingest.kafka_log import KafkaLog
from services.ingest.metrics import Metrics
from services.ingest.pages.links import Links
from services.ingest.read_model import open_read_model
from services.ingest.read_records import flat, stored_job
from services.ingest.read_tables import StoredEvent
from services.ingest.settings import IngestSettings
from tests.component.services.ingest.harness import Sent, World, world

YAML = {"Content-Type": "application/yaml"}


class Client:
    """One client of one server; `bring` does what Kafka does: it carries what was sent into the read model."""

    def __init__(self, http: aiohttp.ClientSession, at: World, jobs: Jobs) -> None:
        self.http, self.world, self.jobs = http, at, jobs
        self._log: dict[str, Envelope] = {}

    @property
    def address(self) -> str:
        return str(self.http._base_url).rstrip("/")

    async def bring(self, *more: Envelope) -> None:
        rows: dict[str, JobRow] = {}
        stored = []
        for envelope in (*self.world.sent.envelopes, *more):
            self._log.setdefault(envelope.id, envelope)
        for offset, envelope in enumerate(self._log.values()):
            job_id = str((envelope.data or {})["jobId"])
            row = fold(rows.get(job_id), envelope, Position(partition=0, offset=offset))
            rows |= {job_id: row} if row else {}
            stored.append(StoredEvent(0, offset, job_id, envelope.id, json.dumps(flat(envelope))))
        await self.jobs.model.apply([stored_job(row) for row in rows.values()], stored, {})

    async def submit(self, *documents: object, status: int = 202, **query: str) -> Any:
        body = yaml.safe_dump_all(documents)
        async with self.http.post("/v1/jobs", data=body, headers=YAML, params=query) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json(content_type=None)

    async def get(self, path: str, status: int = 200) -> Any:
        async with self.http.get(path) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json(content_type=None)


class Quiet:
    """A process whose consumers are in place and have read all."""

    def __init__(self) -> None:
        self.dead_letters, self.subscribers = DeadLetters(Sent().publish, "test"), dict[str, object]()

    async def missing(self) -> dict[str, str]:
        return {}


@asynccontextmanager
async def serving(
    folder: Path,
    settings: IngestSettings,
    *,
    loopback: bool = True,
    links: Links | None = None,
    patience: float = 15.0,
) -> AsyncIterator[Client]:
    at = world()
    async with open_read_model(folder, KafkaLog("test", {}, {})) as model:
        jobs = Jobs(at.acceptance, at.cancellation, Idempotency(at.store), model, patience)

        app = build_app(jobs, Quiet(), Metrics(), tokens=read_tokens(settings), loopback=loopback, links=links)
        async with serve(app, "127.0.0.1", 0) as address, aiohttp.ClientSession(f"http://{address}") as http:
            yield Client(http, at, jobs)
