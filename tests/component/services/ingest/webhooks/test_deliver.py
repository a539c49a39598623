"""Deliveries to a real HTTP receiver of the test's: signed, retried, never redirected, never let inside."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import web
from standardwebhooks import Webhook

from schemas.source_urls import SourceUrl
from services.ingest.settings import IngestSettings
from services.ingest.webhooks.deliver import Deliveries
from services.ingest.webhooks.endpoints import Endpoint
from services.ingest.webhooks.message import Message
from services.ingest.webhooks.post import open_post
from services.ingest.webhooks.schedule import Schedule
from tests.component.here import Here

SECRET = "whsec_" + "QUJD" * 8
JOB = "default.a.0123456789ab"


@dataclass
class Receiver:
    """Answers with `answers` one after the other, then 204; keeps every request."""

    answers: list[web.Response] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    hang: asyncio.Event | None = None
    port: int = 0

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path_qs)
        self.got.append((dict(request.headers), await request.read()))
        if self.hang is not None:
            await self.hang.wait()
        return self.answers.pop(0) if self.answers else web.Response(status=204)

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.got]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", made.take)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    yield made
    if made.hang:
        made.hang.set()
    await runner.cleanup()


class Notes:
    def __init__(self) -> None:
        self.outcomes: list[str] = []

    def __call__(self, endpoint: str, outcome: str) -> None:
        assert endpoint == "team"
        self.outcomes.append(outcome)


def message(sequence: int = 1, *, age: float = 0.0) -> Message:
    body = f'{{"id": "{sequence}"}}'.encode()
    return Message(f"{JOB}:0:ingest:{sequence}", "job.queued", JOB, datetime.now(UTC), time.time() - age, body, None)


@asynccontextmanager
async def deliveries(
    receiver: Receiver, tmp_path: Path, notes: Notes, *, path: str = "/hook?key=abc", **settings: Any
) -> AsyncIterator[Deliveries]:
    host = settings.pop("host", "127.0.0.1")
    resolver = settings.pop("resolver", None)
    allow = settings.pop("allow", (f"127.0.0.1:{receiver.port}",))
    own = IngestSettings(home=tmp_path, source_allow=allow, **{"webhooks_retry_seconds": 0.01, **settings})
    endpoint = Endpoint("team", SourceUrl("http", host, receiver.port, path), (SECRET,))
    schedule = Schedule(own.webhooks_retry_seconds, own.webhooks_give_up_seconds)
    async with open_post(own, endpoint, resolver) as post:
        yield Deliveries(endpoint, post, schedule, notes)


async def test_an_event_is_posted_signed_with_its_trace(receiver: Receiver, tmp_path: Path) -> None:
    notes = Notes()
    async with deliveries(receiver, tmp_path, notes) as line:
        assert await line.deliver(message())
    ((headers, body),) = receiver.got
    assert Webhook(SECRET).verify(body, headers) == {"id": "1"}
    assert headers["webhook-id"] == f"{JOB}:0:ingest:1"
    assert headers["Content-Type"] == "application/cloudevents+json"
    assert headers["traceparent"].startswith("00-")
    assert receiver.paths == ["/hook?key=abc"]
    assert notes.outcomes == ["delivered"]


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 429, 500, 503])
async def test_whatever_is_not_2xx_is_tried_again_there_and_nowhere_else(
    receiver: Receiver, tmp_path: Path, status: int
) -> None:
    notes = Notes()
    headers = {"Location": f"http://127.0.0.1:{receiver.port}/elsewhere"}
    receiver.answers = [web.Response(status=status, headers=headers) for _ in range(2)]
    async with deliveries(receiver, tmp_path, notes) as line:
        assert await line.deliver(message())
    assert receiver.paths == ["/hook?key=abc"] * 3
    assert notes.outcomes == ["failed", "failed", "delivered"]
    assert len(set(receiver.ids)) == 1


async def test_every_try_is_signed_anew(receiver: Receiver, tmp_path: Path) -> None:
    receiver.answers = [web.Response(status=500)]
    async with deliveries(receiver, tmp_path, Notes(), webhooks_retry_seconds=1.3) as line:
        assert await line.deliver(message())
    first, second = (headers["webhook-timestamp"] for headers, _ in receiver.got)
    assert int(second) > int(first)


async def test_a_silent_endpoint_is_tried_again(receiver: Receiver, tmp_path: Path) -> None:
    notes, receiver.hang = Notes(), asyncio.Event()
    async with deliveries(receiver, tmp_path, notes, webhooks_timeout_seconds=0.2) as line:
        sending = asyncio.create_task(line.deliver(message()))
        async with asyncio.timeout(10):
            while len(receiver.got) < 2:
                await asyncio.sleep(0.01)
        receiver.hang.set()
        assert await sending
    assert notes.outcomes[0] == "failed"
    assert notes.outcomes[-1] == "delivered"


async def test_a_body_without_an_end_is_not_read(receiver: Receiver, tmp_path: Path) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(b"x" * 65536)

    app = web.Application()
    app.router.add_post("/", endless)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.port = runner.addresses[0][1]
    async with asyncio.timeout(10), deliveries(receiver, tmp_path, Notes(), path="/") as line:
        assert await line.deliver(message())
    await runner.cleanup()


async def test_an_event_that_is_too_old_has_one_try_and_is_given_up(receiver: Receiver, tmp_path: Path) -> None:
    notes = Notes()
    receiver.answers = [web.Response(status=500)]
    with structlog.testing.capture_logs() as logs:
        async with deliveries(receiver, tmp_path, notes, webhooks_give_up_seconds=60.0) as line:
            assert await line.deliver(message(age=61))
    assert notes.outcomes == ["given_up"]
    assert len(receiver.got) == 1
    assert (logs[-1]["log_level"], logs[-1]["event_id"], logs[-1]["answer"]) == (
        "error",
        f"{JOB}:0:ingest:1",
        "status 500",
    )


async def test_an_endpoint_that_is_gone_gets_nothing_more_and_its_events_are_kept(
    receiver: Receiver, tmp_path: Path
) -> None:
    notes = Notes()
    receiver.answers = [web.Response(status=500), web.Response(status=410)]
    async with deliveries(receiver, tmp_path, notes, webhooks_retry_seconds=30.0) as line:
        waiting = asyncio.create_task(line.deliver(message(1)))
        async with asyncio.timeout(10):
            while notes.outcomes != ["failed"]:
                await asyncio.sleep(0.01)
        assert not await line.deliver(message(2))
        assert not await asyncio.wait_for(waiting, 5)
        assert line.gone
        assert not await line.deliver(message(3))
    assert len(receiver.got) == 2
    assert notes.outcomes == ["failed", "gone"]


async def test_a_throttled_endpoint_is_left_alone_by_every_job(receiver: Receiver, tmp_path: Path) -> None:
    receiver.answers = [web.Response(status=429, headers={"Retry-After": "1"})]
    notes = Notes()
    async with deliveries(receiver, tmp_path, notes) as line:
        first = asyncio.create_task(line.deliver(message(1)))
        async with asyncio.timeout(10):
            while notes.outcomes != ["failed"]:
                await asyncio.sleep(0.01)
        asked_at = time.monotonic()
        assert await line.deliver(message(2))
        assert time.monotonic() - asked_at > 0.8
        assert await first


@pytest.mark.parametrize("host", ["127.0.0.1", "hooks.example.com"])
async def test_an_address_inside_is_never_connected_to(receiver: Receiver, tmp_path: Path, host: str) -> None:
    notes = Notes()
    with structlog.testing.capture_logs() as logs:
        options: dict[str, Any] = {"host": host, "resolver": Here(), "allow": (), "webhooks_give_up_seconds": 0.0}
        async with deliveries(receiver, tmp_path, notes, **options) as line:
            assert await line.deliver(message())
    assert receiver.got == []
    assert notes.outcomes == ["given_up"]
    assert "must not target" in logs[-1]["answer"]


async def test_logs_hold_neither_secret_nor_address(receiver: Receiver, tmp_path: Path, unused_tcp_port: int) -> None:
    receiver.port = unused_tcp_port
    with structlog.testing.capture_logs() as logs:
        async with deliveries(receiver, tmp_path, Notes(), webhooks_give_up_seconds=0.0) as line:
            assert await line.deliver(message())
    text = str(logs)
    assert "ClientConnectorError" in text
    assert not [part for part in ("key=abc", SECRET, "QUJD") if part in text]
