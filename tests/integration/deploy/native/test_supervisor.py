"""A home's parts start, are watched, come back after a death and leave nothing behind.

The parts are small real HTTP servers; `test_kafka_restart.py` does the same to a broker with data.
"""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from deploy.native.part import Part, Site
from deploy.native.process import NotHealthyError, PartSpec, base_env, free_port, start, wait_healthy
from deploy.native.records import Running, load_all, log_path, record_path, save
from deploy.native.stack import Supervisor

ROOT = Path(__file__).parents[4]


def web(name: str, *, usual: int = 0, needs: tuple[str, ...] = (), code: str = "") -> Part:
    """A part that serves its folder; `code` runs in it first."""

    def prepare(site: Site) -> PartSpec:
        return web_spec(name, site.port(usual), code)

    return Part(name, prepare, needs)


def web_spec(name: str, port: int, code: str = "") -> PartSpec:
    serve = f"import http.server, sys; {code or 'pass'}\nsys.argv[1:] = ['{port}', '--bind', '127.0.0.1']"
    command = (sys.executable, "-c", f"{serve}\nimport runpy; runpy.run_module('http.server', run_name='__main__')")
    return PartSpec(name, command, base_env(), f"127.0.0.1:{port}", f"http://127.0.0.1:{port}/")


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(tmp_path)
    yield supervisor
    supervisor.down()


def eventually(happened: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    """A zombie has ended; who reaps it is its parent's affair."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_up_gives_healthy_parts_and_down_leaves_nothing(supervisor: Supervisor) -> None:
    running = supervisor.up([web("a"), web("b", needs=("a",))])
    assert supervisor.status() == [
        {"name": name, "pid": running[name].pid, "address": running[name].address, "healthy": True}
        for name in ("a", "b")
    ]
    assert sorted(supervisor.down()) == ["a", "b"]
    assert all(gone(part.pid) for part in running.values())
    assert supervisor.status() == []


def test_up_again_starts_what_has_died_where_it_was_and_leaves_the_rest(supervisor: Supervisor) -> None:
    parts = [web("a"), web("b", needs=("a",))]
    before = supervisor.up(parts)
    os.kill(before["a"].pid, signal.SIGKILL)
    eventually(lambda: supervisor.status()[0]["healthy"] is False)
    assert supervisor.status()[0] == {"name": "a", "pid": None, "address": before["a"].address, "healthy": False}
    after = supervisor.up(parts)
    assert after["a"].pid != before["a"].pid
    assert after["a"].address == before["a"].address
    assert after["b"] == before["b"]


def test_a_part_starts_anew_when_what_it_needs_has_moved(supervisor: Supervisor) -> None:
    parts = [web("a"), web("b", needs=("a",))]
    before = supervisor.up(parts)
    os.kill(before["a"].pid, signal.SIGKILL)
    eventually(lambda: gone(before["a"].pid))
    host, port = before["a"].address.split(":")
    with socket.create_server((host, int(port))):
        after = supervisor.up(parts)
    assert after["a"].address != before["a"].address
    assert after["b"].pid != before["b"].pid


def test_homes_that_want_the_same_port_are_up_at_once(tmp_path: Path) -> None:
    usual = free_port()
    one, two = Supervisor(tmp_path / "one"), Supervisor(tmp_path / "two")
    try:
        first, second = one.up([web("a", usual=usual)])["a"], two.up([web("a", usual=usual)])["a"]
        assert first.address == f"127.0.0.1:{usual}"
        assert second.address != first.address
        assert load_all(tmp_path / "two")["a"].address == second.address
    finally:
        assert (one.down(), two.down()) == (["a"], ["a"])


def test_a_port_lost_between_look_and_bind_is_replaced(supervisor: Supervisor, tmp_path: Path) -> None:
    """The one who has it answers as the part would: only who owns the socket tells them apart."""
    other = Supervisor(tmp_path / "other")
    taken = other.up([web("a")])["a"]
    looks = iter([int(taken.address.split(":")[1])])
    unlucky = Part("a", lambda site: web_spec("a", next(looks, None) or site.port()))
    try:
        mine = supervisor.up([unlucky])["a"]
    finally:
        other.down()
    assert mine.address != taken.address
    assert mine.pid != taken.pid


def test_a_part_that_dies_says_its_last_words_and_takes_back_what_was_started(supervisor: Supervisor) -> None:
    dying = web("b", needs=("a",), code="sys.exit('the disk is full')")
    with pytest.raises(NotHealthyError, match=r"b ended while starting(?s:.*)the disk is full") as caught:
        supervisor.up([web("a"), dying])
    assert caught.value.log == log_path(supervisor.home, "b")
    assert supervisor.status() == []


def test_a_command_that_is_not_there_is_named(supervisor: Supervisor) -> None:
    missing = Part("a", lambda site: replace(web_spec("a", site.port()), command=("/nowhere/minio", "server")))
    with pytest.raises(NotHealthyError, match="cannot start /nowhere/minio: No such file or directory"):
        supervisor.up([missing])


def test_a_part_that_does_not_answer_in_time_is_named_with_its_address(tmp_path: Path) -> None:
    spec = replace(web_spec("a", free_port()), command=(sys.executable, "-c", "import time; time.sleep(60)"))
    running = start(tmp_path, spec)
    try:
        with pytest.raises(NotHealthyError, match=f"did not answer at {spec.address}"):
            wait_healthy(tmp_path, running, timeout=0.3)
    finally:
        Supervisor(tmp_path).down()


def test_an_interrupt_while_starting_leaves_nothing(supervisor: Supervisor) -> None:
    started: list[Running] = []

    def interrupted(_: Site) -> PartSpec:
        started.extend(load_all(supervisor.home).values())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        supervisor.up([web("a"), Part("b", interrupted, ("a",))])
    assert [running.name for running in started] == ["a"]
    assert gone(started[0].pid)
    assert supervisor.status() == []


def test_a_part_deaf_to_the_request_is_killed_with_its_children(tmp_path: Path) -> None:
    deaf = (
        "import signal, subprocess, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
    )
    running = start(tmp_path, web_spec("a", free_port(), deaf))
    wait_healthy(tmp_path, running)
    (child,) = psutil.Process(running.pid).children()
    Supervisor(tmp_path, grace=0.2).down()
    assert gone(running.pid)
    assert gone(child.pid)


def test_somebody_elses_process_with_the_recorded_pid_is_left_alone(supervisor: Supervisor) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        began = psutil.Process(bystander.pid).create_time()
        save(supervisor.home, Running("a", bystander.pid, began - 3600, "127.0.0.1:1", "", ()))
        assert supervisor.status() == [{"name": "a", "pid": None, "address": "127.0.0.1:1", "healthy": False}]
        assert supervisor.down() == []
        assert bystander.poll() is None
        bystander.communicate(b"\n")
    assert bystander.returncode == 0


def test_two_ups_at_once_start_one_process(tmp_path: Path) -> None:
    said: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        ups = [pool.submit(Supervisor(tmp_path, say=said.append).up, [web("a")]) for _ in range(2)]
        pids = {up.result()["a"].pid for up in ups}
    assert Supervisor(tmp_path).down() == ["a"]
    assert len(pids) == 1
    assert f"waiting for another `lorabus up` or `down` in {tmp_path}" in said


def test_a_broken_record_counts_as_none(supervisor: Supervisor) -> None:
    record = record_path(supervisor.home, "a")
    record.parent.mkdir(parents=True)
    record.write_text('{"name": "a", "pid": "../')
    assert supervisor.status() == []
    assert supervisor.up([web("a")])["a"].pid


def test_parts_end_with_their_parent_even_when_that_is_killed(tmp_path: Path) -> None:
    with _in_another_process(tmp_path, detach=False) as parent:
        running = load_all(tmp_path)["a"]
        parent.kill()
    eventually(lambda: gone(running.pid))


def test_parts_started_beside_the_main_thread_end_with_the_process(tmp_path: Path) -> None:
    with _in_another_process(tmp_path, detach=False, thread=True) as parent:
        running = load_all(tmp_path)["a"]
        parent.communicate("\n")
    assert gone(running.pid)
    assert load_all(tmp_path) == {}


def test_detached_parts_outlive_their_parent_until_they_are_taken_down(tmp_path: Path) -> None:
    with _in_another_process(tmp_path, detach=True) as parent:
        parent.communicate("\n")
    assert Supervisor(tmp_path).status()[0]["healthy"] is True
    running = load_all(tmp_path)["a"]
    assert Supervisor(tmp_path).down() == ["a"]
    eventually(lambda: gone(running.pid))


def _in_another_process(home: Path, *, detach: bool, thread: bool = False) -> "subprocess.Popen[str]":
    """A process that brings a part up, says so, and ends when it is spoken to."""
    code = f"""\
        import sys
        import threading
        from pathlib import Path
        sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}]
        from test_supervisor import web
        from deploy.native.stack import Supervisor
        def up():
            Supervisor(Path({str(home)!r}), detach={detach}).up([web("a")])
        if {thread}:
            beside = threading.Thread(target=up)
            beside.start()
            beside.join()
        else:
            up()
        print("up", flush=True)
        input()
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process
