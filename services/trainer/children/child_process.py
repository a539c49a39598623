"""The parent's end of the fork server: starts it with a scrubbed environment, starts children, reads their lines.

Nothing here imports torch. One asyncio loop at a time uses a `Forkserver`.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from schemas.failures import Reason
from services.common.errors import WorldError
from services.trainer.children.confinement import Confinement
from services.trainer.children.messages import MAX_LINE

MAX_ANSWER = 64 << 20
# A child needs these to find Python, its libraries and its devices. Everything else, credentials above all, stays out.
_PASSED = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "LD_LIBRARY_PATH")
_PASSED_PREFIXES = ("CUDA_", "NVIDIA_", "NCCL_", "ROCR_", "HIP_", "OMP_", "GOMP_", "KMP_", "MKL_", "ONEDNN_", "ATEN_")
_SET = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "WANDB_DISABLED": "true",
    "PYTHONHASHSEED": "0",
    # numpy's own threads start at import, and a fork server must have none.
    "OPENBLAS_NUM_THREADS": "1",
    "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
    # Nothing here is compiled, but bitsandbytes' import would load the whole compiler for it: two seconds.
    "TORCHDYNAMO_DISABLE": "1",
}
# Threads that spin while they wait make a training several times slower as soon as anything else (Kafka, the other
# services) wants the same cores: products of 208 x 256 x 256 took 8 ms instead of 0.25 ms here.
_DEFAULTS = {"OMP_WAIT_POLICY": "passive"}


def scrubbed_environment(environment: Mapping[str, str], home: str) -> dict[str, str]:
    """What the fork server and its children see; `home` is an empty folder, so that no dot file is read."""
    passed = {
        name: value for name, value in environment.items() if name in _PASSED or name.startswith(_PASSED_PREFIXES)
    }
    return {**_DEFAULTS, **passed, **_SET, "HOME": home, "HF_HOME": f"{home}/huggingface"}


@dataclass(slots=True)
class Child:
    """A running child. `exited` becomes its status: 0 or more an exit code, less than 0 the signal that ended it."""

    pid: int
    lines: asyncio.StreamReader
    exited: "asyncio.Future[int]"
    _stop: IO[bytes] = field(repr=False)
    _server: "Forkserver" = field(repr=False)

    def stop(self) -> None:
        """Ask it to save and to end."""
        self._stop.close()

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to it and to everything that it has started."""
        if not self.exited.done():
            self._server.tell({"kill": self.pid, "signal": number})


class Forkserver:
    """Starts the fork server, starts it again when it has died, asks it for children."""

    def __init__(self, preload: Sequence[str] = ()) -> None:
        """`preload`: modules that are imported once and found by every child."""
        self._preload = preload
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._home: tempfile.TemporaryDirectory[str] | None = None
        self._listening: asyncio.AbstractEventLoop | None = None
        self._asked: deque[asyncio.Future[Child]] = deque()
        self._pending: deque[tuple[IO[bytes], asyncio.StreamReader]] = deque()
        self._exits: dict[int, asyncio.Future[int]] = {}
        self._imported = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """The fork server's process, while it lives."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Begin importing in the background; returns at once."""
        if self.pid is not None:
            return
        self.close()
        self._imported = asyncio.Event()
        self._home = tempfile.TemporaryDirectory(prefix="lorabus-trainer-")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "services.trainer.children.forkserver", str(theirs.fileno())]
        self._process = subprocess.Popen(
            [*command, *self._preload],
            env=scrubbed_environment(os.environ, self._home.name),
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        ours.setblocking(False)
        self._connection = ours

    async def ready(self) -> None:
        """Wait until a started fork server has imported everything; raises WorldError when it dies before."""
        self._listen()
        await self._imported.wait()
        if self.pid is None:
            raise _gone()

    def close(self) -> None:
        """End the fork server and every child."""
        # It kills its children when it sees the socket's end; while it imports it sees nothing, and has none.
        patience = 2.0 if self._exits else 0.0
        self._fail_all()
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=patience)
            self._process.kill()
            self._process.wait()
        if self._home is not None:
            self._home.cleanup()
        self._connection = self._process = self._home = None

    @asynccontextmanager
    async def child(
        self, target: str, arguments: Mapping[str, object], log: Path, allowed: Confinement
    ) -> AsyncIterator[Child]:
        """Fork a child that calls `target(arguments, pipe, stop)`; it is dead when the block is left."""
        self.start()
        self._listen()
        task = {"target": target, "arguments": dict(arguments), "confinement": asdict(allowed)}
        child = await self._fork(task, log)
        try:
            yield child
        finally:
            child.kill()
            child.stop()
            with suppress(WorldError):
                await asyncio.shield(child.exited)

    async def ask(
        self, target: str, arguments: Mapping[str, object], log: Path, allowed: Confinement
    ) -> tuple[bytes, int]:
        """All that a child has written by its end, or `MAX_ANSWER` of it, and how it ended."""
        async with self.child(target, arguments, log, allowed) as child:
            return await _bounded(child.lines), await child.exited

    def tell(self, request: Mapping[str, object], descriptors: list[int] | None = None) -> None:
        """Send one request; a fork server that is gone raises."""
        if self._connection is None:
            raise _gone()
        try:
            socket.send_fds(self._connection, [json.dumps(request).encode()], descriptors or [])
        except (BrokenPipeError, ConnectionResetError) as error:
            raise _gone() from error

    async def _fork(self, task: Mapping[str, object], log: Path) -> Child:
        loop = asyncio.get_running_loop()
        read, write = os.pipe()
        stop_read, stop_write = os.pipe()
        reader = asyncio.StreamReader(limit=MAX_LINE, loop=loop)
        stop = os.fdopen(stop_write, "wb", buffering=0)
        try:
            with log.open("ab") as log_file:
                self.tell({"run": task}, [write, stop_read, log_file.fileno()])
        except WorldError:
            os.close(read)
            stop.close()
            raise
        finally:
            os.close(write)
            os.close(stop_read)
        started: asyncio.Future[Child] = loop.create_future()
        self._asked.append(started)
        self._pending.append((stop, reader))
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read, "rb", buffering=0))
        return await started

    def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        if self._listening is not loop and self._connection is not None:
            loop.add_reader(self._connection, self._answered)
            self._listening = loop

    def _answered(self) -> None:
        try:
            data = self._connection.recv(4096) if self._connection else b""
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            self._fail_all()
            return
        answer = json.loads(data)
        if "ready" in answer:
            self._imported.set()
        elif "pid" in answer:
            self._forked(answer["pid"])
        elif "exited" in answer:
            exited = self._exits.pop(answer["exited"])
            if not exited.done():
                exited.set_result(answer["status"])

    def _forked(self, pid: int) -> None:
        exited = asyncio.get_running_loop().create_future()
        self._exits[pid] = exited
        stop, reader = self._pending.popleft()
        started = self._asked.popleft()
        child = Child(pid, reader, exited, stop, self)
        if started.cancelled():
            child.kill()
            child.stop()
        else:
            started.set_result(child)

    def _fail_all(self) -> None:
        # Whoever waits for the imports looks whether the process is still there.
        self._imported.set()
        if self._listening is not None and self._connection is not None and not self._listening.is_closed():
            self._listening.remove_reader(self._connection)
            self._listening = None
        waiting: list[asyncio.Future[Any]] = [*self._asked, *self._exits.values()]
        for future in waiting:
            if not future.done() and not future.get_loop().is_closed():
                future.set_exception(_gone())
        for stop, _ in self._pending:
            stop.close()
        self._asked.clear()
        self._pending.clear()
        self._exits.clear()


async def _bounded(lines: asyncio.StreamReader) -> bytes:
    """What goes on behind the bound is read and dropped, so that the child comes to its end."""
    pieces, size = [], 0
    while piece := await lines.read(1 << 20):
        pieces += [piece] if size < MAX_ANSWER else []
        size += len(piece)
    return b"".join(pieces)


def _gone() -> WorldError:
    return WorldError(Reason.WORKER_KILLED, "the process that starts trainings has died; it is started again")
