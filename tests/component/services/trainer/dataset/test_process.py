"""The checking process itself: what it is given, how it ends, and that the trainer's loop stays free meanwhile."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from schemas.failures import Reason
from services.common.errors import UserError, WorldError
from services.trainer.dataset.preflight import DatasetRefused, Preflight

Run = Callable[..., Awaitable[Preflight]]


def rows(count: int) -> str:
    lines = [{"prompt": f"question {number}", "completion": f"answer {number}"} for number in range(count)]
    return "".join(f"{json.dumps(line)}\n" for line in lines)


async def test_a_dataset_that_cannot_be_used_is_told_over_the_pipe(run: Run) -> None:
    with pytest.raises(DatasetRefused) as caught:
        await run({"a.jsonl": "{oops}\n" * 3})
    assert caught.value.reason is Reason.DATASET_INVALID
    assert caught.value.facts["problem_count"] == 3


async def test_a_reader_that_crashes_is_the_datas_fault_and_one_that_is_killed_the_worlds(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for number, kind in ((11, UserError), (9, WorldError)):
        python = tmp_path / f"python{number}"
        python.write_text(f"#!/bin/sh\nkill -{number} $$\n")
        python.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(python))
        with pytest.raises(kind):
            await run({"a.jsonl": rows(1)})


async def test_cancelling_ends_the_process_at_once(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    python, pid_file = tmp_path / "python", tmp_path / "pid"
    python.write_text(f"#!/bin/sh\necho $$ > {pid_file}.new && mv {pid_file}.new {pid_file}\nexec sleep 600\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    checking = asyncio.ensure_future(run({"a.jsonl": rows(1)}))
    async with asyncio.timeout(10):
        while not pid_file.exists():
            await asyncio.sleep(0.01)
    checking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await checking
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


async def test_the_process_sees_no_credentials(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen, python = tmp_path / "seen", tmp_path / "python"
    python.write_text(f"#!/bin/sh\nenv > {seen}\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setenv("LORABUS_S3_SECRET_KEY", "s3cret")
    with pytest.raises(WorldError):
        await run({"a.jsonl": rows(1)})
    assert "PATH=" in seen.read_text()
    assert "s3cret" not in seen.read_text()


async def test_the_event_loop_stays_free_meanwhile(run: Run) -> None:
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0)
            longest, last = max(longest, time.perf_counter() - last), time.perf_counter()

    watching = asyncio.ensure_future(watch())
    checked = await run({"a.jsonl": rows(5_000)})
    watching.cancel()
    assert checked.data.rows == 5_000
    assert longest < 1.0
