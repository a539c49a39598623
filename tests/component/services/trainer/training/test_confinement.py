"""What a child cannot do, tried from inside one: reach a network, look into its parent, see files, take all memory."""

import asyncio
import json
import os
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from services.trainer.children import confinement, landlock
from services.trainer.children.child_process import Forkserver
from services.trainer.children.confinement import Confinement, confine

TARGETS = """
import json, os, resource, socket

def tried(what):
    try:
        what()
    except (OSError, MemoryError) as error:
        return type(error).__name__
    return "done"

def run(arguments, pipe, stop):
    found = {name: eval(code, {**globals(), **arguments}) for name, code in arguments["tries"].items()}
    pipe.write(json.dumps(found | {"lacking": arguments["lacking"]}).encode() + b"\\n")

def talk_to_oneself():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname(), 5):
        pass
"""
Try = Callable[..., Awaitable[dict[str, object]]]


@pytest.fixture
async def attempt(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Try]:
    """Evaluates expressions in a child; gives what came of each."""
    modules = tmp_path_factory.mktemp("modules")
    (modules / "confined_targets.py").write_text(TARGETS)
    monkeypatch.setenv("PYTHONPATH", str(modules))
    server = Forkserver()

    async def attempt(tries: dict[str, str], allowed: Confinement | None = None, **words: object) -> dict[str, object]:
        arguments = {"tries": tries, **words}
        async with asyncio.timeout(30):
            output, status = await server.ask(
                "confined_targets:run", arguments, modules / "log", allowed or Confinement()
            )
        assert status == 0, (modules / "log").read_text()
        found: dict[str, object] = json.loads(output)
        return found

    yield attempt
    server.close()


async def test_a_child_reaches_no_server_but_may_talk_to_itself(attempt: Try) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        tries = {
            "tcp": "tried(lambda: socket.create_connection(address, 5))",
            "udp": "tried(lambda: socket.socket(type=socket.SOCK_DGRAM).connect(('192.0.2.1', 53)))",
            "itself": "tried(talk_to_oneself)",
        }
        found = await attempt(tries, Confinement(loopback=True), address=server.getsockname())
    assert found == {"tcp": "ConnectionRefusedError", "udp": "OSError", "itself": "done", "lacking": []}


def test_where_there_are_no_namespaces_landlock_keeps_tcp_away(tmp_path: Path) -> None:
    def without_namespaces() -> None:
        confinement._leave_network = lambda: False

    assert confined_connection(tmp_path, without_namespaces) == "PermissionError []"


def test_a_trainer_without_privileges_makes_a_namespace_of_users_first(tmp_path: Path) -> None:
    assert confined_connection(tmp_path, confinement._give_up_privileges) == "ConnectionRefusedError []"


def confined_connection(folder: Path, prepare: Callable[[], None]) -> str:
    """What a fork that is confined after `prepare` gets from a server out here, and what it lacks."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        child = os.fork()
        if child == 0:
            prepare()
            lacking = confine(Confinement(writable=(str(folder),)))
            try:
                socket.create_connection(server.getsockname(), 5)
            except OSError as error:
                (folder / "got").write_text(f"{type(error).__name__} {lacking}")
            os._exit(0)
        os.waitpid(child, 0)
    return (folder / "got").read_text()


def test_what_a_platform_does_not_allow_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_limit", "_give_up_privileges"):
        monkeypatch.setattr(confinement, name, lambda *_: None)
    monkeypatch.setattr(confinement, "_leave_network", lambda: False)
    monkeypatch.setattr(landlock, "version", lambda: 0)
    assert confine(Confinement()) == ["network", "files"]


async def test_a_child_cannot_look_into_its_parents_or_at_files_that_are_not_its_own(
    attempt: Try, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, own, output = tmp_path / "secrets" / "token", tmp_path / "model", tmp_path / "out"
    for folder in (secret.parent, own, output):
        folder.mkdir()
    secret.write_text("s3cret")
    (own / "config.json").write_text("{}")
    # Weights are often links into a cache.
    (tmp_path / "cache").write_text("weights")
    (own / "weights").symlink_to(tmp_path / "cache")
    tries = {
        "environment": "tried(lambda: open(f'/proc/{parent}/environ').read())",
        "memory": "tried(lambda: open(f'/proc/{parent}/mem', 'rb'))",
        "secret": "tried(lambda: open(secret).read())",
        "list": "tried(lambda: os.listdir(os.path.dirname(secret)))",
        "kill": "tried(lambda: os.kill(parent, 0))",
        "own": "tried(lambda: [open(f'{own}/{name}').read() for name in os.listdir(own)])",
        "change": "tried(lambda: open(f'{own}/config.json', 'w'))",
        "write": "tried(lambda: open(f'{output}/file', 'w').write('x'))",
    }
    allowed = Confinement((str(own),), (str(output),))
    words = {"parent": os.getpid(), "secret": str(secret), "own": str(own), "output": str(output)}
    assert await attempt(tries, allowed, **words) == {
        **dict.fromkeys(("environment", "memory", "secret", "list", "kill", "change"), "PermissionError"),
        **dict.fromkeys(("own", "write"), "done"),
        "lacking": [],
    }


async def test_a_child_has_limits_and_no_privileges(attempt: Try) -> None:
    tries = {
        "core": "resource.getrlimit(resource.RLIMIT_CORE)",
        "files": "resource.getrlimit(resource.RLIMIT_NOFILE)",
        "status": "open('/proc/self/status').read()",
        "first": "open('/proc/self/oom_score_adj').read()",
        "little": "tried(lambda: bytearray(32 << 20))",
        "much": "tried(lambda: bytearray(400 << 20))",
    }
    found = await attempt(tries, Confinement(memory_bytes=256 << 20))
    assert (found["little"], found["much"]) == ("done", "MemoryError")
    assert found["core"] == [0, 0]
    assert found["files"] == [min(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1])] * 2
    status = dict(line.split(":\t", 1) for line in str(found["status"]).splitlines() if ":\t" in line)
    assert status["NoNewPrivs"] == "1"
    assert int(status["CapEff"], 16) in (0, 0b110)
    assert found["first"] == "1000\n"
