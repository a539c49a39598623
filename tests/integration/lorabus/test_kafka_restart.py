"""A broker that dies and comes back in the middle of a job: whoever follows the job goes on, and misses nothing."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import psutil
import pytest

from deploy.native.stack import KAFKA, Supervisor
from lorabus.api import open_api
from lorabus.client import LorabusClient
from lorabus.settings import CallerSettings
from schemas.events.job import JobCancelled, JobClaimed, JobQueued
from services.common.journal import Journal
from services.common.kafka.producer import open_producer
from services.common.kafka.topics import apply_topics
from services.common.telemetry import new_traceparent

JOB = "default.watched.0123456789ab"


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    """A broker of the test's own, which it may kill."""
    found = Supervisor(tmp_path, usual_ports=False)
    found.up([KAFKA])
    yield found
    found.down()


async def test_the_watching_outlives_the_broker(supervisor: Supervisor) -> None:
    kafka = supervisor.up([KAFKA])["kafka"]
    settings = CallerSettings(kafka=kafka.address, http_addr="127.0.0.1:1", home=supervisor.home)
    await apply_topics(settings)
    seen: list[str] = []

    async with open_api(settings) as api:
        await tell(settings, "ingest", 0, queued=True)
        async with asyncio.timeout(90), aclosing(LorabusClient(settings, api).watch(JOB)) as events:
            async for event in events:
                seen.append(event.type)
                if event.type == "job.queued":
                    psutil.Process(kafka.pid).kill()
                    again = supervisor.up([KAFKA])["kafka"]
                    assert (again.address, again.pid != kafka.pid) == (kafka.address, True)
                    await tell(settings, "trainer", 1, queued=False)

    assert seen == ["job.queued", "job.claimed", "job.cancelled"]


async def tell(settings: CallerSettings, source: str, attempt: int, *, queued: bool) -> None:
    """What a service writes of the job, over a connection of its own."""
    async with open_producer(settings, "test") as producer:
        journal = Journal(producer.publish, job_id=JOB, attempt=attempt, source=source, traceparent=new_traceparent())
        if queued:
            await journal.emit(JobQueued, spec_digest="sha256:1")
        else:
            await journal.emit(JobClaimed, worker="w")
            await journal.emit(JobCancelled)
