"""Several homes are up at once; what dies comes back, by itself or by `up`; an interrupt leaves nothing.

Two systems are started: one detached, and beside it, on whatever ports are left, one in the foreground.
"""

import json
import signal
from pathlib import Path

import psutil

from tests.e2e.system import PATIENCE, System, runs, until

NAMES = ["kafka", "ingest", "publisher", "trainer"]


def kill(system: System, name: str) -> int:
    """Kill a part, as a machine that runs out of memory does."""
    pid = int(system.status()[name]["pid"])
    psutil.Process(pid).kill()
    until(lambda: not runs(pid), f"the end of {name}")
    return pid


def test_status_has_one_object_a_part(embedded: System) -> None:
    parts = embedded.good("status", "--json").lines

    assert [part["name"] for part in parts] == NAMES
    assert all(set(part) == {"name", "pid", "address", "healthy"} for part in parts)
    assert all(part["healthy"] and runs(part["pid"]) for part in parts)


def test_up_again_starts_what_has_died_and_nothing_else(embedded: System) -> None:
    before = embedded.status()
    kill(embedded, "publisher")
    assert embedded.status()["publisher"] == {**before["publisher"], "pid": None, "healthy": False}

    embedded.up()

    after = embedded.status()
    assert all(part["healthy"] for part in after.values())
    assert [name for name in NAMES if after[name]["pid"] != before[name]["pid"]] == ["publisher"]
    assert after["publisher"]["address"] == before["publisher"]["address"]


def test_another_profile_in_the_same_home_is_refused(embedded: System) -> None:
    done = embedded.run("up", "--profile", "stack", "--detach")

    assert done.code == 2
    assert "lorabus down" in done.err


def test_in_the_foreground_parts_come_back_and_an_interrupt_stops_them_all(embedded: System, tmp_path: Path) -> None:
    system = System(tmp_path / "home", "embedded", {})
    with system.running("up", "--json") as up:
        assert up.stdout
        parts = [json.loads(up.stdout.readline()) for _ in NAMES]
        assert {part["address"] for part in parts}.isdisjoint(part["address"] for part in embedded.status().values())
        killed = kill(system, "publisher")
        until(lambda: system.status()["publisher"]["healthy"], "the publisher's return")
        pids = [int(part["pid"]) for part in system.status().values()]
        assert killed not in pids

        up.send_signal(signal.SIGINT)
        out, err = up.communicate(timeout=PATIENCE)

    assert (up.returncode, out) == (0, "")
    assert "publisher has died; it is started again" in err
    assert "Traceback" not in err
    assert [pid for pid in pids if runs(pid)] == []
    assert system.status() == {}
