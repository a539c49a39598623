"""A process with libraries already imported, which forks a fresh child for each task.

Importing torch and its friends takes 20 to 30 seconds; a fork takes hundredths. Our own server, not
multiprocessing's, because a child that reads hostile data must start with a scrubbed environment, must be confined
before it reads anything, must die with its trainer, and must tell by which signal it died.

    python -m services.trainer.children.forkserver <fd of a SOCK_SEQPACKET socket> [module to import ...]

The parent sends `{"run": {"target": "package.module:function", "arguments": {...}, "confinement": {...}}}` with three
descriptors (the pipe for messages, the pipe whose closing means stop, the log) or `{"kill": pid, "signal": number}`.
The answers are `{"ready": seconds}` once, `{"pid": pid}` per run, and `{"exited": pid, "status": code}`, negative for a
signal. The arguments get `lacking`: what of the confinement the platform did not allow. At the socket's end everything
is killed.
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import IO, Any, NoReturn

from services.trainer.children.confinement import Confinement, confine
from services.trainer.children.parenthood import die_with

MAX_REQUEST = 1 << 20


def main() -> NoReturn:
    connection = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    started = time.monotonic()
    for name in sys.argv[2:]:
        importlib.import_module(name)
    # A collection in a child would look at every object of every library, and copy every page of them: 0.9 s.
    gc.freeze()
    _answer(connection, ready=time.monotonic() - started)
    Server(connection).serve()
    # Nothing of what was imported has anything to say at its end.
    os._exit(0)


class Server:
    """Forks on request and reaps; single-threaded, so that a fork copies no lock that somebody holds."""

    def __init__(self, connection: socket.socket) -> None:
        """`connection` is the parent's."""
        self._connection = connection
        self._children: set[int] = set()
        self._wakeup, wakeup_write = os.pipe()
        os.set_blocking(wakeup_write, False)
        signal.set_wakeup_fd(wakeup_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> None:
        """Work until the parent is gone."""
        while True:
            readable, _, _ = select.select([self._connection.fileno(), self._wakeup], [], [])
            if self._wakeup in readable:
                os.read(self._wakeup, 4096)
                self._reap()
            if self._connection.fileno() in readable and not self._take():
                break
        for pid in self._children:
            _kill(pid, signal.SIGKILL)

    def _take(self) -> bool:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._connection, MAX_REQUEST, 3)
        except ConnectionResetError:
            return False
        if not data:
            return False
        request = json.loads(data)
        if "run" in request:
            self._run(request["run"], descriptors)
        elif request["kill"] in self._children:
            _kill(request["kill"], request["signal"])
        return True

    def _run(self, task: dict[str, Any], descriptors: list[int]) -> None:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            _become_child(parent, self._connection, task, descriptors)
        self._children.add(pid)
        for descriptor in descriptors:
            os.close(descriptor)
        _answer(self._connection, pid=pid)

    def _reap(self) -> None:
        for pid in list(self._children):
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            # What the child has started itself, such as one process per GPU, must not outlive it. The child is not
            # reaped yet, so that its number cannot belong to anybody else.
            _kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            self._children.remove(pid)
            _answer(self._connection, exited=pid, status=os.waitstatus_to_exitcode(status))


def _become_child(parent: int, connection: socket.socket, task: dict[str, Any], descriptors: list[int]) -> None:
    """Never returns: whatever happens, the fork ends here."""
    code = 70
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        connection.close()
        messages, stop, log = descriptors
        _redirect(log)
        arguments = {**task["arguments"], "lacking": confine(Confinement(**task["confinement"]))}
        # After that, for a change of privileges may make the kernel forget it.
        die_with(parent)
        module, _, name = task["target"].partition(":")
        getattr(importlib.import_module(module), name)(arguments, os.fdopen(messages, "wb", buffering=0), stop)
        code = 0
    except BaseException:  # noqa: BLE001 - the traceback goes to the log, the exit code to the parent.
        sys.excepthook(*sys.exc_info())
    finally:
        _flush(sys.stdout)
        _flush(sys.stderr)
        os._exit(code)


def _redirect(log: int) -> None:
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a device, not a path.
        os.dup2(nothing.fileno(), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)


def _flush(stream: IO[str]) -> None:
    with suppress(OSError, ValueError):
        stream.flush()


def _kill(pid: int, number: int) -> None:
    """A child leads its own group, so this reaches what it has started too; the group may not exist yet."""
    for send in (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            send(pid, number)


def _answer(connection: socket.socket, **answer: object) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):
        connection.send(json.dumps(answer).encode())


if __name__ == "__main__":
    main()
