"""The checking process itself: what it is given, how it ends, and that the trainer's loop stays free meanwhile."""

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from schemas.failures import Reason
from services.common.errors import UserError, WorldError
from services.trainer.dataset import preflight as preflight_module
from services.trainer.dataset.preflight import DatasetRefused, Preflight

Run = Callable[..., Awaitable[Preflight]]
StandIn = Callable[[str], Path]
STAND_IN = """
import json, os, time
from pathlib import Path

STORE = {store!r}

def reachable(path):
    try:
        os.stat(path) and (os.listdir if os.path.isdir(path) else open)(path)
    except PermissionError:
        return False
    return True

def run(arguments, pipe, stop):
    request = json.loads(Path(arguments["request"]).read_text())

    def say(text):
        (Path(request["out"]) / "new").write_text(text)
        (Path(request["out"]) / "new").rename(Path(request["out"]) / "said")

    {what}
"""


@pytest.fixture
def stand_in(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Puts lines of Python in the place of the check; gives the folder below which they `say` something."""
    modules = tmp_path_factory.mktemp("modules")
    monkeypatch.setenv("PYTHONPATH", str(modules))

    def put(what: str) -> Path:
        name = f"stand_in_{len(list(modules.iterdir()))}"
        (modules / f"{name}.py").write_text(STAND_IN.format(store=str(tmp_path / "store"), what=what))
        monkeypatch.setattr(preflight_module, "_CHECK", f"{name}:run")
        return tmp_path

    return put


def rows(count: int) -> str:
    lines = [{"prompt": f"question {number}", "completion": f"answer {number}"} for number in range(count)]
    return "".join(f"{json.dumps(line)}\n" for line in lines)


async def test_a_dataset_that_cannot_be_used_is_told_over_the_pipe(run: Run) -> None:
    with pytest.raises(DatasetRefused) as caught:
        await run({"a.jsonl": "{oops}\n" * 3})
    assert caught.value.reason is Reason.DATASET_INVALID
    assert caught.value.facts["problem_count"] == 3


async def test_a_reader_that_crashes_is_the_datas_fault_and_one_that_is_killed_the_worlds(
    run: Run, stand_in: StandIn
) -> None:
    for number, kind in ((11, UserError), (9, WorldError)):
        stand_in(f"os.kill(os.getpid(), {number})")
        with pytest.raises(kind):
            await run({"a.jsonl": rows(1)})


async def test_cancelling_ends_the_process_at_once(run: Run, stand_in: StandIn) -> None:
    said = stand_in("say(str(os.getpid())); os.read(stop, 1); time.sleep(600)")
    checking = asyncio.ensure_future(run({"a.jsonl": rows(1)}))
    async with asyncio.timeout(10):
        while not (found := list(said.glob("scratch*/tokens/said"))):
            await asyncio.sleep(0.01)
    checking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await checking
    with pytest.raises(ProcessLookupError):
        os.kill(int(found[0].read_text()), 0)


async def test_the_process_sees_no_credentials_and_no_store(
    run: Run, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LORABUS_S3_SECRET_KEY", "s3cret")
    said = stand_in("say(json.dumps([dict(os.environ), reachable(STORE), reachable(request['files'][0]['path'])]))")
    with pytest.raises(WorldError):
        await run({"a.jsonl": rows(1)})
    environment, store, file = json.loads(next(said.glob("scratch*/tokens/said")).read_text())
    assert "PATH" in environment
    assert "s3cret" not in environment.values()
    assert (store, file) == (False, True)


async def test_the_event_loop_stays_free_meanwhile(run: Run) -> None:
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0)
            longest, last = max(longest, time.perf_counter() - last), time.perf_counter()

    watching = asyncio.ensure_future(watch())
    checked = await run({"a.jsonl": rows(2_000)})
    watching.cancel()
    assert checked.data.rows == 2_000
    assert longest < 1.0
