"""One server process on this machine: started in a session of its own, recorded in the home, watched, stopped.

`<home>/run/<name>.json` is its record and `<home>/logs/<name>.log` its output.
"""

import atexit
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from deploy.native import health
from deploy.native.records import Running, forget, last_lines, log_path, save

if TYPE_CHECKING:
    import psutil

TETHER = Path(__file__).with_name("tether.py")
CLOCK_SLACK = 2.0
"""Seconds by which a start time may seem to move when the system's clock is set right."""


@dataclass(frozen=True)
class PartSpec:
    """A server to be started. `env` is the whole environment; `health` is a URL as `deploy.native.health` reads it."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    address: str
    health: str


class NotHealthyError(Exception):
    """A server died or stayed silent after its start; carries the part's name, its log and the log's last lines."""

    def __init__(self, name: str, reason: str, log: Path) -> None:
        self.name, self.reason, self.log, self.tail = name, reason, log, last_lines(log)
        super().__init__(f"{name} {reason}; the last lines of {log}:\n{self.tail or '(it wrote nothing)'}")


def start(home: Path, spec: PartSpec, *, detach: bool = False, level: int = 0) -> Running:
    """Start the server and record it, without waiting for its health.

    Unless `detach`, it ends with this process: at its exit and, on Linux and when the main thread calls, also when it
    is killed. (Linux tells a child of the end of the thread that started it, which may come much earlier.)
    """
    import psutil  # noqa: PLC0415 - keeps `import deploy.native` cheap

    tied = not detach and threading.current_thread() is threading.main_thread()
    pid = _spawn(spec, _fresh_log(home, spec.name), parent=os.getpid() if tied else 0)
    try:
        began = psutil.Process(pid).create_time()
        running = Running(spec.name, pid, began, spec.address, spec.health, spec.command, level)
        save(home, running)
    except BaseException:
        # An interrupt here would leave a process that no record names.
        psutil.Process(pid).kill()
        raise
    if not detach:
        atexit.register(stop, home, [running])
    return running


def wait_healthy(home: Path, running: Running, timeout: float = 60.0) -> None:
    """Return once the server itself listens and answers; raise `NotHealthyError` when it dies or the time is over."""
    deadline = time.monotonic() + timeout
    while not (listens(running) and health.answers(running.health)):
        if not is_alive(running):
            raise NotHealthyError(running.name, "ended while starting", log_path(home, running.name))
        if time.monotonic() > deadline:
            reason = f"did not answer at {running.address} within {timeout:.0f} s"
            raise NotHealthyError(running.name, reason, log_path(home, running.name))
        time.sleep(0.05)


def is_alive(running: Running) -> bool:
    """Whether that very process still runs."""
    return _process(running) is not None


def is_healthy(running: Running) -> bool:
    """Whether that very process runs and answers."""
    return is_alive(running) and health.answers(running.health)


def listens(running: Running) -> bool:
    """Whether the process, or a child of it, owns its port: another home's server may be the one that answers there."""
    import psutil  # noqa: PLC0415

    process, port = _process(running), urlsplit(running.health).port
    if process is None or port is None:
        return process is not None
    try:
        sockets = [s for member in [process, *_children(process)] for s in member.net_connections(kind="tcp")]
    except psutil.Error:
        return False
    return any(s.status == psutil.CONN_LISTEN and s.laddr.port == port for s in sockets)


def stop(home: Path, parts: Iterable[Running], *, grace: float = 30.0) -> None:
    """Ask all of them at once to end, kill what has not after `grace` seconds, children too, and forget them."""
    stopping = list(parts)
    mains = [process for running in stopping if (process := _process(running))]
    children = {child for main in mains for child in _children(main)}
    for main in mains:
        _signal(main.terminate)
    late = _wait_ended(mains, grace)
    # A server ends its own children; they are killed only when it did not.
    children |= {child for main in late for child in _children(main)}
    survivors = [*late, *(child for child in children if not _ended(child))]
    for survivor in survivors:
        _signal(survivor.kill)
    _wait_ended(survivors, grace)
    for running in stopping:
        forget(home, running)


def free_port(preferred: int = 0, *, avoid: Collection[int] = ()) -> int:
    """The preferred port of this machine's loopback address when it is free, otherwise any free one."""
    for port in (preferred, *(0 for _ in range(20))):
        with socket.socket() as probe:
            # Servers set it too: a port whose last connections linger is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found = int(probe.getsockname()[1])
            if found not in avoid:
                return found
    raise OSError("no free port on 127.0.0.1")


def base_env() -> dict[str, str]:
    """The environment of a server that must not depend on the user's settings."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}


def _fresh_log(home: Path, name: str) -> Path:
    log = log_path(home, name)
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_name(f"{log.name}.1"))
    return log


def _spawn(spec: PartSpec, log: Path, *, parent: int) -> int:
    """Start the command through the tether, which execs it under the same pid."""
    command = [sys.executable, "-I", str(TETHER), str(parent), *spec.command]
    return os.posix_spawn(
        sys.executable,
        command,
        dict(spec.env),
        setsid=True,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
    )


def _process(running: Running) -> "psutil.Process | None":
    """The process behind a record, or None when it ended."""
    import psutil  # noqa: PLC0415

    try:
        process = psutil.Process(running.pid)
        same = abs(process.create_time() - running.start_time) < CLOCK_SLACK
    except psutil.Error:
        return None
    return process if same and not _ended(process) else None


def _ended(process: "psutil.Process") -> bool:
    """Whether it has ended and let go of its ports and files; a child of ours is reaped on the way.

    Another's child may stay a zombie for long, and one with threads is a zombie already while they are still ending.
    """
    import psutil  # noqa: PLC0415

    try:
        if process.status() != psutil.STATUS_ZOMBIE:
            return not process.is_running()
        if process.num_threads() > 1:
            return False
        process.wait(timeout=0)
    except (psutil.NoSuchProcess, psutil.TimeoutExpired):
        return True
    return True


def _wait_ended(processes: "Iterable[psutil.Process]", seconds: float) -> "list[psutil.Process]":
    """Wait until all have ended; returns those that have not in time."""
    deadline = time.monotonic() + seconds
    while (left := [process for process in processes if not _ended(process)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def _children(process: "psutil.Process") -> "list[psutil.Process]":
    import psutil  # noqa: PLC0415

    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _signal(send: Callable[[], None]) -> None:
    """Send a signal to a process that may just have ended."""
    import psutil  # noqa: PLC0415

    try:
        send()
    except psutil.NoSuchProcess:
        return
