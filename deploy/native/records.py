"""What a home remembers of its servers: one file a part in `<home>/run`, and where its log is.

The start time stands beside the pid: a pid that the system has given to somebody else since is never signalled.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.native.cache import write_whole


@dataclass(frozen=True)
class Running:
    """A server that was started. It may have died since."""

    name: str
    pid: int
    start_time: float
    address: str
    health: str
    command: tuple[str, ...]
    level: int = 0
    """How many layers of parts stand below it; higher ones are stopped first."""


def save(home: Path, running: Running) -> None:
    """Write the part's record, readable by its owner only."""
    record = {
        "name": running.name,
        "pid": running.pid,
        "startTime": running.start_time,
        "address": running.address,
        "health": running.health,
        "level": running.level,
        "command": list(running.command),
    }
    write_whole(record_path(home, running.name), json.dumps(record, indent=1))


def load_all(home: Path) -> dict[str, Running]:
    """Every part that was started and not stopped, by name; a record that cannot be read counts as none."""
    found = (_load(path) for path in sorted((home / "run").glob("*.json")))
    return {running.name: running for running in found if running}


def forget(home: Path, running: Running) -> None:
    """Remove the part's record, unless a later start has written its own."""
    path = record_path(home, running.name)
    if _load(path) == running:
        path.unlink(missing_ok=True)


def record_path(home: Path, name: str) -> Path:
    """Where the part's record is."""
    return home / "run" / f"{name}.json"


def log_path(home: Path, name: str) -> Path:
    """Where the part's output goes; the run before is kept beside it as `.log.1`."""
    return home / "logs" / f"{name}.log"


def last_lines(log: Path, count: int = 12) -> str:
    """The end of a log, as far as the last 8 KiB hold it."""
    try:
        with log.open("rb") as file:
            file.seek(max(log.stat().st_size - 8192, 0))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-count:])
    except FileNotFoundError:
        return ""


def _load(path: Path) -> Running | None:
    try:
        record: dict[str, Any] = json.loads(path.read_text())
        return Running(
            name=path.stem,
            pid=int(record["pid"]),
            start_time=float(record["startTime"]),
            address=str(record["address"]),
            health=str(record["health"]),
            command=tuple(str(word) for word in record["command"]),
            level=int(record["level"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
