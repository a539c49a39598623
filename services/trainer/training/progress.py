"""Tells how a training goes: at most once a second, and at least every ten seconds when a step takes long."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import psutil

from services.trainer.children.channel import Channel, Silence
from services.trainer.children.messages import Progress

AT_MOST, AT_LEAST = 1.0, 10.0
_WINDOW = 10.0
# A step that takes this many times longer than the usual one, and this long, does not go on as it should. What is
# usual is not known in the first step, where the largest batch is tried and libraries warm up.
STALLED_TIMES, STALLED_SECONDS, STALLED_FIRST_SECONDS = 10.0, 60.0, 600.0


@dataclass(frozen=True, slots=True)
class Stand:
    """Where the training stands after a step, or before the first."""

    step: int
    epoch: float
    tokens: int
    loss: float | None = None
    learning_rate: float | None = None
    grad_norm: float | None = None


@dataclass(frozen=True, slots=True)
class _Point:
    at: float
    step: int
    tokens: int
    elsewhere: float


class Speaker:
    """Sends progress; a thread of its own speaks up while a step takes long. Use as a context."""

    def __init__(
        self, channel: Channel | Silence, total_steps: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` gives monotonic seconds."""
        self._channel, self._total, self._clock = channel, total_steps, clock
        self._process = psutil.Process()
        self._stand: Stand | None = None
        self._points: deque[_Point] = deque()
        # Seconds that went into something else than steps, and since when one of these goes on.
        self._elsewhere = 0.0
        self._since: float | None = None
        self._remarks: list[str] = []
        self._spoke = self._stepped = clock()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._speak_up, daemon=True)

    def begin(self, stand: Stand) -> None:
        """The first step starts now."""
        with self._lock:
            self._spoke = self._stepped = self._clock()
            self._stand = stand
            self._points.append(_Point(self._spoke, stand.step, stand.tokens, self._elsewhere))

    def step(self, stand: Stand) -> None:
        """A step is done."""
        now = self._clock()
        with self._lock:
            first = len(self._points) == 1
            self._stand, self._stepped = stand, now
            self._points.append(_Point(now, stand.step, stand.tokens, self._elsewhere))
            while len(self._points) > 2 and self._points[1].at < now - _WINDOW:
                self._points.popleft()
            if first or stand.step >= self._total or now - self._spoke >= AT_MOST:
                self._speak(stand, now)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """An evaluation or a checkpoint: its time does not count against the speed, only against the time left."""
        with self._lock:
            self._since = self._clock()
        try:
            yield
        finally:
            with self._lock:
                self._elsewhere += self._clock() - self._since
                self._since = None

    def remark(self, text: str) -> None:
        """Something that has been changed on the way; the next progress says it."""
        with self._lock:
            self._remarks.append(text)

    def remind(self) -> None:
        """Say again where the training stands if nothing was said for long; called once a second."""
        now = self._clock()
        with self._lock:
            if self._stand is not None and now - self._spoke >= AT_LEAST:
                self._speak(self._stand, now)

    def _speak(self, stand: Stand, now: float) -> None:
        self._spoke = now
        remarks, self._remarks = tuple(self._remarks), []
        first = self._points[0]
        elsewhere = self._elsewhere + (now - self._since if self._since is not None else 0.0) - first.elsewhere
        steps = stand.step - first.step
        # Of steps that are done: the wait for the next one must not make it look usual.
        pace = (self._stepped - first.at) / steps if steps > 0 else None
        patience = STALLED_FIRST_SECONDS if pace is None else max(STALLED_SECONDS, STALLED_TIMES * pace)
        self._channel.send(
            Progress(
                step=stand.step,
                total_steps=self._total,
                epoch=round(stand.epoch, 4),
                loss=stand.loss,
                learning_rate=stand.learning_rate,
                grad_norm=stand.grad_norm,
                tokens=stand.tokens,
                tokens_per_second=(stand.tokens - first.tokens) / max(now - first.at - elsewhere, 1e-9),
                eta_seconds=None if pace is None else pace * (self._total - stand.step),
                memory_bytes=memory_bytes(self._process),
                stalled=now - self._stepped > patience,
                notes=remarks,
            )
        )

    def _speak_up(self) -> None:
        while not self._ended.wait(1.0):
            self.remind()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()


def memory_bytes(process: psutil.Process) -> int:
    """The most that was taken on a GPU, or what the process holds now."""
    import torch  # noqa: PLC0415 - the child has it; who only looks at the clock need not wait for it.

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return int(process.memory_info().rss)
