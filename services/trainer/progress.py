"""Tells how a training goes, at most once a second, and keeps the figures for the end."""

import time
from typing import Any

import psutil
import torch
from transformers import TrainerCallback

from services.trainer.channel import Channel
from services.trainer.messages import Progress
from services.trainer.plan import TrainPlan

_INTERVAL = 1.0


class Watcher(TrainerCallback):  # type: ignore[misc]
    """Reports at step ends; asks for the end of training when the parent wants it."""

    def __init__(self, plan: TrainPlan, trainer: Any, channel: Channel) -> None:
        """`trainer` is a RowTrainer."""
        self._plan, self._trainer, self._channel = plan, trainer, channel
        self._process = psutil.Process()
        self._rate: float | None = None
        self._first: float | None = None
        self._last: float | None = None
        self._began = self._said = 0.0
        self._said_tokens = self._began_tokens = 0
        self._began_step = 0

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """The clock starts."""
        self._began = self._said = time.monotonic()
        self._began_step = state.global_step
        self._began_tokens = self._said_tokens = self._trainer.trained_tokens

    def on_pre_optimizer_step(self, *_: Any, **found: Any) -> None:
        """The rate that this step uses; afterwards the scheduler has moved on."""
        self._rate = float(found["optimizer"].param_groups[0]["lr"])

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> Any:
        """One optimizer step is done."""
        self._last = self._trainer.step_loss
        if self._first is None:
            self._first = self._last
        now = time.monotonic()
        done = state.global_step >= self._plan.total_steps
        if now - self._said >= _INTERVAL or done or state.global_step == self._began_step + 1:
            self._channel.send(self._progress(state.global_step, now))
            self._said, self._said_tokens = now, self._trainer.trained_tokens
        if self._channel.stopping:
            control.should_training_stop = True
        return control

    def metrics(self) -> dict[str, float]:
        """Losses of the first and last step, speed, time."""
        seconds = time.monotonic() - self._began
        tokens = self._trainer.trained_tokens - self._began_tokens
        found = {"train_seconds": seconds, "tokens_per_second": tokens / max(seconds, 1e-9)}
        if self._first is not None and self._last is not None:
            found |= {"loss_first": self._first, "loss_last": self._last}
        return found

    def _progress(self, step: int, now: float) -> Progress:
        tokens = self._trainer.trained_tokens
        steps_done = step - self._began_step
        pace = (now - self._began) / max(1, steps_done)
        return Progress(
            step=step,
            total_steps=self._plan.total_steps,
            epoch=round(step / self._plan.steps_per_epoch, 4),
            loss=self._last,
            learning_rate=self._rate,
            grad_norm=self._trainer.grad_norm,
            tokens=tokens,
            tokens_per_second=(tokens - self._said_tokens) / max(now - self._said, 1e-9),
            eta_seconds=pace * (self._plan.total_steps - step),
            memory_bytes=self._memory(),
        )

    def _memory(self) -> int:
        if torch.cuda.is_available():
            return int(torch.cuda.max_memory_allocated())
        return int(self._process.memory_info().rss)
