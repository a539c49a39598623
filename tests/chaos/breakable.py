"""A system whose processes can be killed one by one: `lorabus up`, and a second trainer beside it."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.native.health import answers
from deploy.native.process import free_port
from tests.e2e import requests
from tests.e2e.status_topic import Log, Record
from tests.e2e.system import COMMAND, System, a_system, runs, until

TOPICS = ("tuning.events.v1", "tuning.jobs.v1", "tuning.adapters.v1")
LEASE_SECONDS = "3"
SECOND = "second-trainer"


@dataclass
class Breakable:
    """The system and its second trainer."""

    system: System
    registry: str
    second: "subprocess.Popen[bytes] | None" = None
    second_address: str = field(default_factory=lambda: f"127.0.0.1:{free_port()}")

    def mend(self) -> None:
        """Start what has died, and wait until it takes part again."""
        if any(not part["healthy"] for part in self.system.status().values()):
            self.system.up()
        if self.second is None or self.second.poll() is not None:
            self.second = self._start_second()
        until(lambda: answers(f"http://{self.second_address}/readyz"), "the second trainer")

    def pid(self, part: str) -> int:
        return int(self.system.status()[part]["pid"])

    def kill(self, pid: int, number: signal.Signals = signal.SIGKILL) -> None:
        """Signal a process and wait for its end."""
        os.kill(pid, number)
        until(lambda: not runs(pid) or self._reaped(pid), f"the end of {pid}")

    def worker_pid(self, claimed: Record) -> int:
        """The process that a `job.claimed` names."""
        worker = str(claimed.data["worker"])
        if worker == SECOND:
            assert self.second is not None
            return self.second.pid
        return int(worker.rsplit("-", 1)[1])

    def submit(self, folder: Path, name: str, **options: Any) -> str:
        """Ask for a job and give its id."""
        path = folder / name
        path.mkdir()
        request = requests.write(path, *requests.documents(name, **options))
        (accepted,) = self.system.good("submit", request, "--json").lines
        return str(accepted["jobId"])

    def log(self) -> Log:
        return self.system.log(*TOPICS)

    def stop(self) -> None:
        """End the second trainer."""
        if self.second is not None and self.second.poll() is None:
            self.second.terminate()
            self.second.wait(timeout=60)

    def _reaped(self, pid: int) -> bool:
        return self.second is not None and self.second.pid == pid and self.second.poll() is not None

    def _start_second(self) -> "subprocess.Popen[bytes]":
        home = self.system.home
        # What `lorabus up` has started is found through the home by commands, not by `serve`.
        kafka = self.system.status()["kafka"]["address"]
        own = {
            "LORABUS_KAFKA": kafka,
            "LORABUS_WORKER": SECOND,
            "LORABUS_SCRATCH": str(home / "scratch-2"),
            "LORABUS_HEALTH_ADDR": self.second_address,
        }
        with (home / "logs" / "second-trainer.log").open("ab") as log:
            command = [COMMAND, "serve", "trainer"]
            return subprocess.Popen(command, env={**self.system.env, **own}, stdout=log, stderr=log)


@contextmanager
def breakable(home: Path, registry: str) -> Iterator[Breakable]:
    """Up, and down again."""
    settings = {"LORABUS_LEASE_SECONDS": LEASE_SECONDS, "LORABUS_INSECURE_REGISTRIES": registry}
    with a_system(home, "embedded", **settings) as system:
        system.secret("registry")
        made = Breakable(system, registry)
        try:
            yield made
        finally:
            made.stop()
