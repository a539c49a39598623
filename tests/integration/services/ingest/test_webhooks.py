"""Webhooks from a real broker to real receivers: every event arrives, in order for each job, whatever breaks.

Endpoints that fail, hang, say that they are gone or are not there must not hold up another one; an ingest that is
killed with deliveries under way sends them when it starts again.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
import yaml
from prometheus_client import CollectorRegistry

from deploy.native.process import free_port
from services.common.kafka.topics import apply_topics
from services.common.lifetime import Lifetime
from services.ingest.settings import IngestSettings
from services.ingest.webhooks.endpoints import read_endpoints
from services.ingest.webhooks.metrics import WebhookMetrics
from services.ingest.webhooks.running import delivering
from tests.component.services.ingest.harness import workspace
from tests.integration.services.ingest.harness import running_ingest, settings_for
from tests.integration.services.ingest.process import process, ready
from tests.integration.services.ingest.receiver import SECRET, Receiver, receiving

LIFE = ["job.accepted", "job.queued", "job.cancelling", "job.cancelled"]


@pytest.fixture
def namespace() -> str:
    """The test's own, for its endpoints read the whole topic, which other tests fill."""
    return f"n{uuid4().hex[:10]}"


@pytest.fixture
async def receivers() -> AsyncIterator[Callable[[], Any]]:
    async with AsyncExitStack() as stack:

        async def start() -> Receiver:
            return await stack.enter_async_context(receiving())

        yield start


async def settings(kafka: str, home: Path, namespace: str, **urls: str) -> IngestSettings:
    found = settings_for(kafka, home)
    await apply_topics(found)
    (home / "secrets" / "hook").mkdir()
    (home / "secrets" / "hook" / "webhook-secret").write_text(SECRET)
    own = uuid4().hex[:8]
    entries = [
        {"name": f"{name}-{own}", "url": url, "secret": "hook", "namespaces": [namespace], "types": ["job.*"]}
        for name, url in urls.items()
    ]
    (home / "webhooks.yaml").write_text(yaml.safe_dump(entries))
    changed = {
        "webhooks_file": home / "webhooks.yaml",
        "webhooks_retry_seconds": 0.05,
        "webhooks_timeout_seconds": 1.0,
        "source_allow": ("127.0.0.1",),
    }
    return found.model_copy(update=changed)


async def cancelled_job(address: str, namespace: str, name: str) -> str:
    """Submit a job and cancel it; gives its id."""
    document = workspace(name)
    document["metadata"]["namespace"] = namespace
    async with aiohttp.ClientSession(address) as http:
        async with http.post("/v1/jobs", json=document) as answer:
            assert answer.status == 202, await answer.text()
            job_id = str((await answer.json())["jobId"])
        async with http.post(f"/v1/jobs/{job_id}/cancel") as answer:
            assert answer.status == 202, await answer.text()
    return job_id


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(90):
        while not condition():
            await asyncio.sleep(0.02)


async def metrics_of(address: str) -> str:
    async with aiohttp.ClientSession(address) as http, http.get("/metrics") as answer:
        return await answer.text()


async def test_each_endpoint_gets_every_event_in_order_whatever_the_others_do(
    kafka_bootstrap: str, tmp_path: Path, namespace: str, receivers: Callable[[], Any]
) -> None:
    good, flaky, slow, gone = [await receivers() for _ in range(4)]
    flaky.reply = lambda _, tries: 500 if tries < 3 else 200
    slow.slow = asyncio.Event()
    gone.reply = lambda _, __: 410
    urls = {"good": good.url, "flaky": flaky.url, "slow": slow.url, "gone": gone.url}
    nobody = f"http://127.0.0.1:{free_port()}/"
    own = await settings(kafka_bootstrap, tmp_path, namespace, **urls, dead=nobody)
    async with running_ingest(own) as address:
        jobs = [await cancelled_job(address, namespace, f"w{number}") for number in range(5)]
        await until(lambda: len(good.events) == len(flaky.events) == 4 * len(jobs))
        assert [good.of(job) for job in jobs] == [flaky.of(job) for job in jobs] == [LIFE] * len(jobs)
        assert len(good.tries) == len(good.events)
        assert len(flaky.tries) >= 3 * len(flaky.events)
        await until(lambda: len(slow.tries) > len(jobs))
        assert slow.events == {}
        slow.slow.set()
        await until(lambda: len(slow.events) == 4 * len(jobs))
        assert [slow.of(job) for job in jobs] == [LIFE] * len(jobs)
        told = await metrics_of(address)
    # The first job's tries run side by side, so a few are under way when the first answer comes.
    assert 1 <= len(gone.tries) <= 4
    name = own.webhooks_file.read_text() if own.webhooks_file else ""
    names = {entry["name"].partition("-")[0]: entry["name"] for entry in yaml.safe_load(name)}
    for line in (
        f'lorabus_webhook_deliveries_total{{endpoint="{names["good"]}",outcome="delivered"}} {4.0 * len(jobs)}',
        f'lorabus_webhook_deliveries_total{{endpoint="{names["good"]}",outcome="given_up"}} 0.0',
        f'lorabus_webhook_gone{{endpoint="{names["gone"]}"}} 1.0',
        f'lorabus_webhook_gone{{endpoint="{names["good"]}"}} 0.0',
        f'lorabus_webhook_waiting_events{{endpoint="{names["dead"]}"}} {4.0 * len(jobs)}',
        f'lorabus_webhook_oldest_waiting_seconds{{endpoint="{names["good"]}"}} 0.0',
    ):
        assert line in told


async def test_several_processes_share_an_endpoint_and_a_stopped_ones_work_goes_on(
    kafka_bootstrap: str, tmp_path: Path, namespace: str, receivers: Callable[[], Any]
) -> None:
    receiver: Receiver = await receivers()
    own = await settings(kafka_bootstrap, tmp_path, namespace, team=receiver.url)
    async with running_ingest(own) as address:
        jobs = [await cancelled_job(address, namespace, f"w{number}") for number in range(4)]
        async with delivering(own, read_endpoints(own), WebhookMetrics(CollectorRegistry()), Lifetime()):
            jobs += [await cancelled_job(address, namespace, f"x{number}") for number in range(4)]
            await until(lambda: receiver.of(jobs[-1]))
        jobs += [await cancelled_job(address, namespace, f"y{number}") for number in range(4)]
        await until(lambda: len(receiver.events) == 4 * len(jobs))
    assert [receiver.of(job) for job in jobs] == [LIFE] * len(jobs)


async def test_a_killed_ingest_delivers_when_it_starts_again(
    kafka_bootstrap: str, tmp_path: Path, namespace: str, receivers: Callable[[], Any]
) -> None:
    receiver: Receiver = await receivers()
    # The first job's first two events are taken before the kill; nothing else is.
    receiver.reply = lambda event_id, _: 204 if ".early." in event_id and event_id[-1] in "12" else 503
    own = await settings(kafka_bootstrap, tmp_path, namespace, team=receiver.url)
    with process(own) as (killed, address):
        await ready(address)
        jobs = [await cancelled_job(address, namespace, name) for name in ("early", "late")]
        await until(lambda: receiver.of(jobs[0]) == LIFE[:2] and len(receiver.tries) >= 5)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    receiver.reply = lambda _, __: 204
    with process(own) as (_, address):
        await until(lambda: len(receiver.events) == 4 * len(jobs))
        assert [receiver.of(job) for job in jobs] == [LIFE] * len(jobs)
