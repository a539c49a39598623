"""Children of the fork server: what they see, how they end, and that nothing outlives its parent."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from schemas.failures import Reason
from services.common.errors import WorldError
from services.trainer.children.child_process import Forkserver
from services.trainer.children.confinement import Confinement

# What a child runs here, found through PYTHONPATH, which is one of the few variables that are handed on.
TARGETS = """
import json, os, signal, subprocess, sys, time

def environment(arguments, pipe, stop):
    pipe.write(json.dumps(dict(os.environ)).encode() + b"\\n")

def wait(arguments, pipe, stop):
    grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    pipe.write(json.dumps([os.getpid(), grandchild.pid]).encode() + b"\\n")
    os.read(stop, 1)

def fail(arguments, pipe, stop):
    print("to the log")
    raise ValueError(arguments["why"])

def die(arguments, pipe, stop):
    os.kill(os.getpid(), arguments["signal"])
"""


@pytest.fixture
def targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "child_targets.py").write_text(TARGETS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


@pytest.fixture
async def server(targets: Path) -> AsyncIterator[Forkserver]:
    server = Forkserver()
    server.start()
    yield server
    server.close()


async def test_a_child_sees_no_secret(server: Forkserver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        "LORABUS_S3_SECRET_KEY": "s3cret",
        "LORABUS_KAFKA_PASSWORD_FILE": "/secrets/kafka",
        "AWS_SECRET_ACCESS_KEY": "aws",
        "HF_TOKEN": "hf",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=x",
        "HTTPS_PROXY": "http://user:password@proxy",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    server.close()
    async with server.child("child_targets:environment", {}, tmp_path / "log", Confinement()) as child:
        seen = json.loads(await child.lines.readline())
        assert await child.exited == 0
    assert not secrets.keys() & seen.keys()
    assert seen["HF_HUB_OFFLINE"] == "1"
    assert seen["HOME"] != os.environ.get("HOME")
    assert server.pid is not None
    started_with = Path(f"/proc/{server.pid}/environ").read_bytes()
    assert b"s3cret" not in started_with


async def test_a_child_and_what_it_started_are_gone_when_the_block_is_left(server: Forkserver, tmp_path: Path) -> None:
    async with server.child("child_targets:wait", {}, tmp_path / "log", Confinement()) as child:
        pids = json.loads(await child.lines.readline())
        assert pids[0] == child.pid
        assert all(psutil.pid_exists(pid) for pid in pids)
    assert await gone(pids)


async def test_a_child_may_end_by_itself_when_asked_to_stop(server: Forkserver, tmp_path: Path) -> None:
    async with server.child("child_targets:wait", {}, tmp_path / "log", Confinement()) as child:
        await child.lines.readline()
        child.stop()
        assert await asyncio.wait_for(child.exited, 10) == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
async def test_the_signal_that_ended_a_child_is_known(server: Forkserver, tmp_path: Path, number: int) -> None:
    async with server.child("child_targets:die", {"signal": number}, tmp_path / "log", Confinement()) as child:
        assert await child.exited == -number


async def test_a_childs_last_words_are_in_its_log(server: Forkserver, tmp_path: Path) -> None:
    async with server.child("child_targets:fail", {"why": "no reason"}, tmp_path / "log", Confinement()) as child:
        assert await child.exited == 70
    log = (tmp_path / "log").read_text()
    assert "to the log" in log
    assert "ValueError: no reason" in log


async def test_a_fork_server_that_was_killed_is_started_again(server: Forkserver, tmp_path: Path) -> None:
    async with server.child("child_targets:wait", {}, tmp_path / "log", Confinement()) as child:
        pids = json.loads(await child.lines.readline())
        first = server.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        with pytest.raises(WorldError) as lost:
            await asyncio.wait_for(child.exited, 10)
        assert lost.value.reason is Reason.WORKER_KILLED
    assert await gone([pids[0]])
    # Nobody is left to end what the child had started.
    os.kill(pids[1], signal.SIGKILL)
    async with server.child("child_targets:environment", {}, tmp_path / "log", Confinement()) as child:
        assert await child.exited == 0
    assert server.pid != first


async def test_nothing_outlives_a_trainer_that_was_killed(targets: Path) -> None:
    script = """
import asyncio, sys
from pathlib import Path
from services.trainer.children.child_process import Forkserver
from services.trainer.children.confinement import Confinement

async def main():
    async with Forkserver().child("child_targets:wait", {}, Path(sys.argv[1]), Confinement()) as child:
        print((await child.lines.readline()).decode(), flush=True)
        await child.exited

asyncio.run(main())
"""
    command = [sys.executable, "-c", script, str(targets / "log")]
    trainer = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert trainer.stdout is not None
    child, grandchild = json.loads(await trainer.stdout.readline())
    server = psutil.Process(child).ppid()
    trainer.kill()
    await trainer.wait()
    assert await gone([server, child, grandchild])


async def gone(pids: list[int]) -> bool:
    """Zombies that nobody reaps count as gone."""
    async with asyncio.timeout(10):
        while any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids):
            await asyncio.sleep(0.02)
    return True
