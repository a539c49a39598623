"""Trainings as child processes, seen from the trainer. Importing this imports no torch.

    pool = TrainerPool(cpu_threads=None)
    pool.start()                                  # first thing in main: imports go on in the background
    result = await pool.run(plan, scratch, on_message, stop=stop)

`scratch` is the job's own folder: the child leaves the adapter in `scratch/adapter` and checkpoints in
`scratch/checkpoints`. Failures are raised as UserError and WorldError.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from schemas.failures import Reason
from services.common.errors import UserError, WorldError
from services.trainer.children.child_process import Child, Forkserver
from services.trainer.children.confinement import Confinement
from services.trainer.children.last_words import last_words
from services.trainer.children.messages import ChildMessage, Failed, Finished, Started, Stopped, decode
from services.trainer.children.outcome import as_death, as_error
from services.trainer.interrupt import unless
from services.trainer.planning.plan import TrainPlan

log = structlog.get_logger()

OnMessage = Callable[[ChildMessage], Awaitable[None]]
_TARGET = "services.trainer.training.child:train"
_AFTER_TERM = 2.0
_LAST_WORDS = 2000
TO_TRAIN = (
    *("services.trainer.quiet_imports", "torch", "transformers"),
    *("transformers.models.auto.modeling_auto", "transformers.models.llama.modeling_llama"),
    *("peft", "datasets", "trl.trainer.sft_trainer"),
    *("services.trainer.training.child", "services.trainer.training.warm"),
)
# A process of its own, which is ready long before torch is, and whose children are small.
TO_CHECK = ("services.trainer.dataset.check",)


@dataclass(frozen=True, slots=True)
class ChildResult:
    """How a training ended well. `finished` is None when it was stopped; `step` is the last one done."""

    finished: Finished | None
    step: int
    adapter_folder: Path


class TrainerPool:
    """Owns the fork servers: runs one training at a time in a child of one; `checks` forks those who check rows."""

    def __init__(self, *, cpu_threads: int | None, grace_seconds: float = 20.0) -> None:
        """`grace_seconds`: how long a stopped child may take to save."""
        self.cpu_threads = cpu_threads
        self.checks = Forkserver(TO_CHECK)
        self._server = Forkserver(TO_TRAIN)
        self._grace = grace_seconds
        self._warned = False
        self._one_at_a_time = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """The fork server's process, while it lives."""
        return self._server.pid

    def start(self) -> None:
        """Begin importing torch and its friends in the background."""
        self.checks.start()
        self._server.start()

    async def warm(self) -> None:
        """Wait until the imports are done; a first training would wait for them."""
        self.start()
        await self.checks.ready()
        await self._server.ready()

    def close(self) -> None:
        """End the fork servers and whatever still runs in them."""
        self.checks.close()
        self._server.close()

    async def run(
        self,
        plan: TrainPlan,
        scratch: Path,
        on_message: OnMessage,
        *,
        stop: asyncio.Event,
        deadline_seconds: float | None = None,
    ) -> ChildResult:
        """Train. Messages are handed on in order; `Failed` is raised, `Finished` and `Stopped` are returned."""
        path = scratch / "plan.json"
        path.write_text(plan.model_dump_json())
        arguments = {"plan": str(path), "scratch": str(scratch)}
        allowed, log_file = _confinement(plan, scratch), scratch / "child.log"
        killed_before = oom_kills()
        async with self._one_at_a_time, AsyncExitStack() as stack:
            starting = self._server.child(_TARGET, arguments, log_file, allowed)
            # While the imports go on, this may take half a minute.
            child = await unless(stop, stack.enter_async_context(starting))
            if child is None:
                return ChildResult(None, 0, scratch / "adapter")
            late, begun = asyncio.Event(), asyncio.Event()
            ending = asyncio.create_task(self._end(child, stop, begun, late, deadline_seconds))
            try:
                last = await self._listen(child, on_message, begun)
                status = await child.exited
            finally:
                ending.cancel()
        if isinstance(last, Failed):
            raise as_error(last, plan.memory_bytes)
        if isinstance(last, Finished):
            return ChildResult(last, plan.total_steps, scratch / "adapter")
        if late.is_set():
            raise UserError(Reason.DEADLINE_EXCEEDED, f"the training was not done after {deadline_seconds:g} s")
        if stop.is_set():
            return ChildResult(None, last.step if isinstance(last, Stopped) else 0, scratch / "adapter")
        words = last_words(log_file, _LAST_WORDS)
        raise as_death(status, plan.memory_bytes, words, killed_for_memory=oom_kills() > killed_before)

    async def _end(
        self, child: Child, stop: asyncio.Event, begun: asyncio.Event, late: asyncio.Event, deadline: float | None
    ) -> None:
        """Wait for the wish to stop or for the deadline, which sets `late`; then end the child ever less kindly.

        One that has not `begun` to train has nothing to save.
        """
        try:
            await asyncio.wait_for(stop.wait(), deadline)
        except TimeoutError:
            late.set()
        child.stop()
        if not begun.is_set():
            child.kill()
            return
        for number, wait in ((signal.SIGTERM, self._grace), (signal.SIGKILL, _AFTER_TERM)):
            await asyncio.wait({child.exited}, timeout=wait)
            child.kill(number)

    async def _listen(self, child: Child, on_message: OnMessage, begun: asyncio.Event) -> ChildMessage | None:
        """Hand messages on until the pipe ends; gives the last one if it is a final one."""
        last: ChildMessage | None = None
        while line := await _line(child):
            message = _decoded(line)
            if isinstance(message, Started):
                begun.set()
                self._warn(message.lacking)
            if isinstance(message, Finished | Failed | Stopped):
                last = message
            else:
                await on_message(message)
        return last

    def _warn(self, lacking: Sequence[str]) -> None:
        """Once in a trainer's life: it will be the same for every job."""
        if lacking and not self._warned:
            log.warning("this platform does not let trainings be kept from everything", open=lacking)
        self._warned = self._warned or bool(lacking)


def _confinement(plan: TrainPlan, scratch: Path) -> Confinement:
    folders = (plan.model_folder, plan.tokens_folder, *([plan.resume_folder] if plan.resume_folder else []))
    return Confinement(folders, (str(scratch),), plan.memory_limit, loopback=plan.processes > 1)


def _decoded(line: bytes) -> ChildMessage:
    try:
        return decode(line)
    except ValueError as error:
        raise WorldError(Reason.INTERNAL, f"the training process sent nonsense: {error}"[:300]) from error


async def _line(child: Child) -> bytes:
    try:
        return await child.lines.readline()
    except ValueError as error:
        raise WorldError(Reason.INTERNAL, "the training process sent an endless line") from error


def oom_kills() -> int:
    """How often the kernel has killed something in this container for memory."""
    for path in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
        with suppress(OSError, ValueError):
            events = Path(path).read_text().split()
            return int(events[events.index("oom_kill") + 1])
    return 0
