"""What `watch` says of a job that does not move: it never blames a trainer for a pause that is meant."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from lorabus.api import Api
from lorabus.cli.jobs import jobs
from lorabus.events import Event
from lorabus.waiting import why_waiting
from schemas.events.job import JobQueued

ROW = {
    "jobId": "a.b.c",
    "kaitoState": "Pending",
    "createdAt": "2026-01-01T00:00:00Z",
    "updatedAt": "2026-01-01T00:00:00Z",
}


@asynccontextmanager
async def ingest(**counts: int) -> AsyncIterator[Api]:
    """An ingest with so many jobs in these states."""

    async def jobs(request: web.Request) -> web.Response:
        state = request.query["state"]
        return web.json_response({"jobs": [{**ROW, "state": state}] * counts.get(state, 0)})

    app = web.Application()
    app.router.add_get("/v1/jobs", jobs)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        async with aiohttp.ClientSession(f"http://{host}:{port}") as session:
            yield Api(session, f"{host}:{port}")
    finally:
        await runner.cleanup()


def queued(seconds_ago: float, retry_after: float | None, message: str = "it is away") -> Event:
    model = JobQueued(
        job_id="a.b.c",
        attempt=1,
        sequence=9,
        spec_digest="sha256:0",
        reason="StoreUnavailable",
        message=message,
        retry_after=retry_after,
    )
    at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    return Event("a.b.c:1:trainer:9", "job.queued", at, model.to_wire(), model)


async def test_a_job_that_waits_out_a_pause_says_so_and_no_trainer_is_missed(tmp_path: Path) -> None:
    async with ingest(pending=1) as api:
        told = await why_waiting(tmp_path, api, queued(5, 600))
    assert told.startswith("waits 9 min 5")
    assert told.endswith("before attempt 2 because of StoreUnavailable: it is away")


async def test_a_terminal_is_not_commanded_by_a_reason(tmp_path: Path) -> None:
    async with ingest(pending=1) as api:
        assert "\x1b" not in await why_waiting(tmp_path, api, queued(0, 600, "\x1b[2J"))


@pytest.mark.parametrize(
    ("counts", "words"), [({"pending": 2}, "is a trainer running?"), ({"pending": 2, "running": 1}, "a free trainer")]
)
async def test_after_the_pause_the_queue_is_told(tmp_path: Path, counts: dict[str, int], words: str) -> None:
    async with ingest(**counts) as api:
        assert words in await why_waiting(tmp_path, api, queued(20, 12))


async def test_an_ingest_that_is_away_is_named(tmp_path: Path) -> None:
    async with aiohttp.ClientSession("http://127.0.0.1:9") as session:
        assert "http://127.0.0.1:9" in await why_waiting(tmp_path, Api(session, "127.0.0.1:9"), queued(20, None))


async def test_the_list_of_jobs_says_what_those_that_are_pending_wait_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with ingest(pending=2, running=1, failed=1) as api:
        monkeypatch.setenv("LORABUS_HTTP_ADDR", api.address)
        assert [await asyncio.to_thread(jobs, state, as_json=False) for state in ("failed", "pending")] == [0, 0]
    assert capsys.readouterr().err == "pending: waits for a free trainer: 2 jobs wait, 1 is being worked on\n"
