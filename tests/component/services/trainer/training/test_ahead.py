"""While a job trains, a waiting one's data is made ready by a real process, which claims nothing and yields."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest
from aiohttp import web

from schemas import store_keys
from schemas.events import State
from schemas.workspace import InputSpec
from services.trainer.ahead import Ahead
from services.trainer.prepare import NICE
from services.trainer.queue import JobTable

from .waiting import Waiting, waiting


@pytest.fixture
def place(tmp_path: Path) -> Waiting:
    return waiting(tmp_path)


@pytest.fixture
async def ahead(place: Waiting) -> AsyncIterator[Ahead]:
    table = JobTable(random.Random(1))
    place.on_row = lambda row: table.apply(row, 0.0)
    ahead = Ahead(place.settings, table)
    yield ahead
    await ahead.close()


class SlowSource:
    """A web server that sends the last row when it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.asked = 0
        self.address = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        row = b'{"prompt": "a", "completion": "b"}\n'
        response = web.StreamResponse(headers={"Content-Length": str(2 * len(row)), "ETag": '"1"'})
        if request.headers.get("If-None-Match"):
            return web.Response(status=304)
        await response.prepare(request)
        await response.write(row)
        await self.go.wait()
        await response.write(row)
        return response


@pytest.fixture
async def slow() -> AsyncIterator[SlowSource]:
    source = SlowSource()
    app = web.Application()
    app.router.add_get("/rows.jsonl", source.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    source.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield source
    source.go.set()
    await runner.cleanup()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)


async def ended(ahead: Ahead, job_id: str) -> None:
    await until(lambda: job_id in ahead.tried and ahead.pid is None)


async def nobody_listens(_done: int, _total: int | None) -> None:
    return None


async def test_dataset_and_tokens_are_in_the_store_and_nothing_is_claimed(place: Waiting, ahead: Ahead) -> None:
    first = await place.job("b", place.rows_of("b"))
    async with ahead.beside():
        await ended(ahead, first)
        assert ahead.prepared == {first}
        keys = await place.store.list("")
        assert [key.rsplit("/", 1)[1] for key in keys if key.startswith("tokens/")] == ["facts.json", "train.arrow"]
        assert len([key for key in keys if key.startswith("datasets/sha256/")]) == 1
        assert await place.store.list(f"jobs/{first}/") == [store_keys.spec(first)]
        assert list(place.settings.scratch_folder.iterdir()) == []
        # The next one follows once this one is no longer waiting.
        second = await place.job("c", place.rows_of("c"))
        await ahead._begin()
        assert ahead.pid is None
        place.set_state(first, State.STAGING)
        await until(lambda: second in ahead.begun)


async def test_it_yields_and_bytes_on_their_way_arrive_for_the_job_that_is_claimed(
    place: Waiting, ahead: Ahead, slow: SlowSource
) -> None:
    job_id = await place.job("b", InputSpec(kind="urls", urls=(f"{slow.address}/rows.jsonl",)))
    told: list[int] = []

    async def on_progress(done: int, _total: int | None) -> None:
        told.append(done)

    async with ahead.beside():
        await until(lambda: slow.asked)
    assert ahead.pid is not None
    process = psutil.Process(ahead.pid)
    assert (process.nice(), len(process.cpu_affinity())) == (NICE + os.nice(0), 1)
    assert os.sched_getscheduler(ahead.pid) == os.SCHED_IDLE
    settling = asyncio.create_task(ahead.settle(job_id, on_progress))
    await asyncio.sleep(0)
    assert not settling.done()
    slow.go.set()
    await settling
    assert told[-1] == 70
    assert ahead.pid is None
    assert len(await place.store.list("datasets/sha256/")) == 1


async def test_another_job_that_is_claimed_ends_it(place: Waiting, ahead: Ahead, slow: SlowSource) -> None:
    await place.job("b", InputSpec(kind="urls", urls=(f"{slow.address}/rows.jsonl",)))
    async with ahead.beside():
        await until(lambda: slow.asked)
    pid = ahead.pid
    assert pid is not None
    await ahead.settle("default.other.0123456789ab", nobody_listens)
    assert not psutil.pid_exists(pid)
    # Nothing is left half done, not even as a file that the store does not list.
    assert [path for path in place.settings.home.glob("store/datasets/**/*") if path.is_file()] == []
    assert list(place.settings.scratch_folder.iterdir()) == []


async def test_what_fails_is_nobodys_verdict_and_the_next_is_tried(place: Waiting, ahead: Ahead) -> None:
    gone = InputSpec(kind="urls", urls=("http://127.0.0.1:1/rows.jsonl",))
    place.settings = ahead._settings = place.settings.model_copy(update={"source_tries": 1})
    bad = await place.job("a-bad", gone)
    async with ahead.beside():
        await ended(ahead, bad)
        good = await place.job("b", place.rows_of("b"))
        await until(lambda: good in ahead.begun)
    assert ahead.prepared == set()
    assert await place.store.list(f"jobs/{bad}/") == [store_keys.spec(bad)]


async def test_a_process_that_is_killed_harms_nobody(place: Waiting, ahead: Ahead, slow: SlowSource) -> None:
    job_id = await place.job("b", InputSpec(kind="urls", urls=(f"{slow.address}/rows.jsonl",)))
    async with ahead.beside():
        await until(lambda: slow.asked)
        assert ahead.pid is not None
        os.kill(ahead.pid, signal.SIGKILL)
        await ended(ahead, job_id)
    assert ahead.prepared == set()
    await ahead.settle(job_id, nobody_listens)


async def test_a_setting_turns_it_off(place: Waiting, ahead: Ahead) -> None:
    ahead._settings = place.settings.model_copy(update={"prepare_ahead": False})
    await place.job("b", place.rows_of("b"))
    async with ahead.beside():
        for _ in range(20):
            await asyncio.sleep(0)
    assert ahead.tried == set()
