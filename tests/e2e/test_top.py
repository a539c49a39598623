"""Proves `lorabus top` on a running system through the installed command: once, as JSON, and live on a terminal."""

import os
import pty
import re
import select
import subprocess
import urllib.request
from contextlib import suppress

import pytest

from docs.reference.metrics import services
from tests.e2e import requests
from tests.e2e.system import COMMAND, NOBODY, PATIENCE, Job, System, until


@pytest.fixture(scope="module")
def rejected(embedded: System, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A job that has ended, at the price of no training."""
    request = requests.write(tmp_path_factory.mktemp("top"), *requests.documents("seen-by-top", preset="tinny"))
    done = embedded.run("submit", request, "--json")
    job = Job(request, done.lines).id
    until(lambda: embedded.run("show", job).code == 0, f"{job} in ingest's table")
    return job


def test_a_snapshot_has_parts_jobs_and_figures(embedded: System, rejected: str) -> None:
    (snapshot,) = embedded.good("top", "--json").lines
    assert {part["name"] for part in snapshot["parts"] if part["up"]} == {"kafka", "ingest", "trainer", "publisher"}
    assert rejected in {job["jobId"] for job in snapshot["ended"]}
    assert snapshot["jobs"]["rejected"] >= 1
    assert {"tuning.requests.v1", "tuning.jobs.v1", "tuning.adapters.v1"} <= snapshot["lag"].keys()


def test_what_the_services_serve_is_what_is_documented(embedded: System, rejected: str) -> None:
    """Every name that `/metrics` really gives, with its type, stands in docs/metrics.md, and the other way round."""
    described = {metric.name: metric for metrics in services().values() for metric in metrics}
    served: dict[str, str] = {}
    parts = embedded.status()
    for name in ("ingest", "trainer", "publisher"):
        with urllib.request.urlopen(f"http://{parts[name]['address']}/metrics", timeout=30) as answer:
            types = re.findall(r"^# TYPE (\w+) (\w+)$", answer.read().decode(), re.MULTILINE)
        # `_created` says since when a series counts; it is the library's own.
        served |= {metric: kind for metric, kind in types if not metric.endswith("_created")}
    assert served == {metric.name: metric.kind for metric in described.values()}


def test_into_a_pipe_it_is_one_table(embedded: System, rejected: str) -> None:
    out = embedded.good("top").out
    for words in ("● ingest", "● trainer", "waiting", "dead letters", rejected):
        assert words in out


def test_without_ingest_it_names_the_address_and_ends_with_3(embedded: System) -> None:
    done = embedded.run("top", "--once", LORABUS_HTTP_ADDR=NOBODY)
    assert done.code == 3
    assert "○ ingest is down" in done.out
    assert NOBODY in done.err


@pytest.mark.parametrize("key", [b"q", b"\x03"], ids=["q", "Ctrl-C"])
def test_on_a_terminal_it_is_live_until_a_key_ends_it(embedded: System, rejected: str, key: bytes) -> None:
    leader, follower = pty.openpty()
    env = {**embedded.env, "TERM": "xterm-256color", "COLUMNS": "160", "LINES": "50"}
    # Ctrl-C is a signal only to those whose terminal it is.
    command = ["setsid", "--ctty", "--wait", COMMAND, "top"]
    process = subprocess.Popen(command, env=env, stdin=follower, stdout=follower, stderr=follower)
    os.close(follower)
    try:
        seen = b""

        def shown() -> bool:
            nonlocal seen
            if select.select([leader], [], [], 0.1)[0]:
                seen += os.read(leader, 65536)
            return rejected.encode() in seen

        until(shown, f"{rejected} on the screen")
        os.write(leader, key)
        assert until(lambda: _ended(process, leader), "its end") == "ended"
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait(PATIENCE)
        os.close(leader)


def _ended(process: "subprocess.Popen[bytes]", leader: int) -> str | None:
    """Read on, or the process waits for its terminal."""
    if select.select([leader], [], [], 0.05)[0]:
        with suppress(OSError):
            os.read(leader, 65536)
    return None if process.poll() is None else "ended"
