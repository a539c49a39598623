"""Real processes: one that dies is started again, and a home that is taken down ends the keeping."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.native.part import Part, Site
from deploy.native.process import PartSpec, is_healthy
from deploy.native.records import load_all
from deploy.native.stack import Supervisor
from lorabus.keeping import keep_up


def web_server(site: Site) -> PartSpec:
    port = site.port()
    command = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port))
    return PartSpec("web", command, dict(os.environ), f"127.0.0.1:{port}", f"http://127.0.0.1:{port}/")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_dies_is_started_again_until_the_home_is_taken_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    supervisor = Supervisor(tmp_path, detach=True, usual_ports=False)
    parts = [Part("web", web_server)]
    first = supervisor.up(parts)["web"]
    keeper = threading.Thread(target=keep_up, args=(supervisor, parts, said.append), kwargs={"tick": 0.05})
    keeper.start()
    try:
        os.kill(first.pid, signal.SIGKILL)
        until(lambda: "web" in load_all(tmp_path) and load_all(tmp_path)["web"].pid != first.pid)
        second = load_all(tmp_path)["web"]
        until(lambda: is_healthy(second))
    finally:
        Supervisor(tmp_path).down()
    keeper.join(timeout=30)

    assert not keeper.is_alive()
    assert second.address == first.address
    assert "web has died; it is started again in 0.5 s" in said[0]
    assert said[-1] == "the home was taken down by somebody else"
    assert load_all(tmp_path) == {}
