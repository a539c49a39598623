"""A whole lorabus on this machine, driven as its users drive it: the installed command, and Kafka by another client."""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil

from tests.e2e.status_topic import Log, Record

COMMAND = str(Path(sys.executable).with_name("lorabus"))
PATIENCE = 150.0
"""Seconds that anything may take on a busy machine; what takes so long has failed."""
NOBODY = "127.0.0.1:9"
"""An address that no server listens at."""
T = TypeVar("T")
Line = dict[str, Any]


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[Line]:
        """What it printed with `--json`: nothing but one object a line."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Job:
    """A job that was followed to its end: the file with its request, and what `submit --wait --json` printed."""

    request: str
    events: list[Line]

    @property
    def id(self) -> str:
        return str(self.events[0]["jobId"])

    @property
    def image(self) -> Line:
        """Where a job that has succeeded was published."""
        found: Line = self.events[-1]["image"]
        return found

    @property
    def trained(self) -> dict[str, str]:
        """The adapter's own two files and their digests, as the trainer tells them."""
        files = self.event("adapter.trained")["files"]
        return {file["name"]: file["digest"] for file in files if file["name"].startswith("adapter_")}

    def event(self, type_: str) -> Line:
        """The first event of that type."""
        return next(event for event in self.events if event["type"] == type_)


@dataclass(frozen=True)
class System:
    """One home and everything in it; `settings` are the user's own `LORABUS_*` variables."""

    home: Path
    profile: str
    settings: dict[str, str]

    @property
    def env(self) -> dict[str, str]:
        """The caller's environment without anything that would lead elsewhere."""
        bare = {name: value for name, value in os.environ.items() if not name.startswith(("LORABUS_", "OTEL_"))}
        return {**bare, "LORABUS_HOME": str(self.home), "NO_COLOR": "1", **self.settings}

    def run(self, *words: str, **settings: str) -> Done:
        """Run `lorabus` to its end."""
        env = {**self.env, **settings}
        done = subprocess.run([COMMAND, *words], env=env, capture_output=True, text=True, timeout=PATIENCE, check=False)
        return Done(done.returncode, done.stdout, done.stderr)

    def good(self, *words: str) -> Done:
        """Run `lorabus`; it must end well."""
        done = self.run(*words)
        assert done.code == 0, f"lorabus {' '.join(words)}: {done}"
        return done

    @contextmanager
    def running(self, *words: str, **settings: str) -> Iterator["subprocess.Popen[str]"]:
        """`lorabus` beside the test; killed if the test leaves it."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen([COMMAND, *words], env={**self.env, **settings}, **pipes)  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def up(self) -> None:
        """Start everything, or what has died."""
        self.good("up", "--profile", self.profile, "--detach")

    def succeed(self, request: str, *words: str) -> Job:
        """Submit and follow a job that must succeed."""
        return Job(request, self.good("submit", request, "--wait", "--json", *words).lines)

    def status(self) -> dict[str, Line]:
        """The parts by name."""
        return {part["name"]: part for part in self.good("status", "--json").lines}

    def log(self, *topics: str) -> Log:
        """Topics of this system, read from their beginning."""
        return Log(json.loads((self.home / "run" / "kafka.json").read_text())["address"], *topics)

    def claim(self, name: str, files: Mapping[str, str]) -> str:
        """Put files behind a persistentVolumeClaim; gives its name."""
        folder = self.home / "volumes" / name
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            (folder / file).write_text(text)
        return name

    def secret(self, name: str) -> None:
        """Put a push secret without any login into its place."""
        folder = self.home / "secrets" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".dockerconfigjson").write_text('{"auths": {}}')

    def job(self, job_id: str) -> Line:
        """The job's row, as ingest tells it."""
        (row,) = self.good("show", job_id, "--json").lines
        return row


@contextmanager
def a_system(home: Path, profile: str, **settings: str) -> Iterator[System]:
    """Up, and down again with nothing left of it."""
    system = System(home, profile, settings)
    try:
        system.up()
        yield system
    finally:
        pids = [int(part["pid"]) for part in system.status().values() if part["pid"]]
        system.good("down")
        left = [pid for pid in pids if runs(pid)]
        assert not left, f"`lorabus down` has left {left} behind"


def digest(path: Path) -> str:
    """A file's sha256 as manifests write it."""
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def digests(folder: Path) -> dict[str, str]:
    """The files of a folder and their digests."""
    return {path.name: digest(path) for path in folder.iterdir()}


def runs(pid: int) -> bool:
    """Whether the process lives; one that only waits to be reaped does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def until(condition: Callable[[], T | None], what: str) -> T:
    """Ask again and again until the answer counts as true."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"waited {PATIENCE:.0f} s in vain for {what}")


def numbers_by_source(records: list[Record]) -> dict[tuple[str, str], list[int]]:
    """The sequence numbers of a job's events by attempt and source, each id once, in the order of the topic."""
    found: dict[tuple[str, str], list[int]] = {}
    for event_id in dict.fromkeys(record.header("ce_id") for record in records):
        _, attempt, source, number = event_id.split(":")
        found.setdefault((attempt, source), []).append(int(number))
    return found
