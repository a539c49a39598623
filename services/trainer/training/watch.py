"""Follows a training step by step: tells how it goes, saves checkpoints, and ends it when the parent wants that."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from services.trainer.children.channel import Channel, Silence
from services.trainer.children.messages import CheckpointReady
from services.trainer.planning.plan import TrainPlan
from services.trainer.training import checkpoint
from services.trainer.training.beside import note
from services.trainer.training.progress import Speaker, Stand
from services.trainer.training.ranks import Rank

_SHARE_FOR_SAVING = 0.05
_WORTH_SAVING = 10.0


class StopNow(Exception):
    """Raised between two passes of a step: the parent does not want to wait for the rest of it."""


class Watcher(TrainerCallback):  # type: ignore[misc]
    """What happens at the library's hooks. `trainer` is set once it is made."""

    trainer: Any

    def __init__(
        self,
        plan: TrainPlan,
        channel: Channel | Silence,
        speaker: Speaker,
        folder: Path,
        rank: Rank,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`folder` takes the checkpoints."""
        self._plan, self._channel, self._speaker, self._folder, self._clock = plan, channel, speaker, folder, clock
        self._rank = rank
        self.best: Any = None
        self.saved_step = 0
        self.last_loss: float | None = None
        self._rate: float | None = None
        self._resumed_seconds = self._resumed_work = self._worked = 0.0
        self._began = self._saved = clock()
        self._wait = plan.checkpoint_seconds

    def between(self) -> None:
        """Called between two passes; several processes may only stop together, before a step."""
        if self._rank.processes == 1 and self._channel.stopping:
            raise StopNow

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What is no training, and no part of its time and speed."""
        began, worked = self._clock(), time.process_time()
        with self._speaker.aside():
            yield
        self._began += self._clock() - began
        self._worked += time.process_time() - worked

    def remark(self, text: str) -> None:
        """Tell the job's owner something beside the figures."""
        self._speaker.remark(text)

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Before the first pass of a step."""
        if self._rank.any_of(self._channel.stopping):
            raise StopNow

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Model, optimizer and scheduler are as they will be used: a checkpoint can be put into them."""
        trainer = self.trainer
        if self._plan.resume_folder is not None:
            trainer.counts, self.best = checkpoint.restore(Path(self._plan.resume_folder), self._parts())
            state.global_step = self.saved_step = trainer.counts.step
            self._resumed_seconds, self._resumed_work = trainer.counts.train_seconds, trainer.counts.cpu_seconds
        self._began = self._saved = self._clock()
        self._worked = time.process_time()
        self._speaker.begin(self._stand())

    def on_pre_optimizer_step(self, *_: Any, **found: Any) -> None:
        """The rate that this step uses; afterwards the scheduler has moved on."""
        self._rate = float(found["optimizer"].param_groups[0]["lr"])

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> Any:
        """One optimizer step is done."""
        counts, now = self.trainer.counts, self._clock()
        counts.step = state.global_step
        counts.train_seconds = self._resumed_seconds + now - self._began
        counts.cpu_seconds = self._resumed_work + time.process_time() - self._worked
        self.last_loss = self.trainer.step_loss
        counts.first_loss = self.last_loss if counts.first_loss is None else counts.first_loss
        note(counts.losses, counts.step, self.last_loss)
        self._speaker.step(self._stand())
        if self._due(counts.step, now) and checkpoint.waiting(self._folder) < checkpoint.WAITING:
            self.save()
        return control

    def save(self) -> None:
        """Write a checkpoint of the last complete step and tell the parent, unless that step is saved already."""
        counts, before = self.trainer.counts, self._clock()
        if counts.step <= self.saved_step or not self._rank.first:
            return
        with self.aside():
            folder = checkpoint.save(self._folder, self._parts(), counts, self.best)
        self._channel.send(CheckpointReady(step=counts.step, folder=str(folder)))
        self.saved_step, self._saved = counts.step, self._clock()
        # However slow the disk, saving takes no more than its share of the time.
        self._wait = max(self._plan.checkpoint_seconds, (self._saved - before) / _SHARE_FOR_SAVING)

    def metrics(self) -> dict[str, float]:
        """Losses of the first and the last step, speed and time of all attempts."""
        counts = self.trainer.counts
        found = {"train_seconds": counts.train_seconds, "train_cpu_seconds": counts.cpu_seconds}
        if counts.train_seconds > 0:
            found["tokens_per_second"] = counts.trained_tokens / counts.train_seconds
        losses = {"loss_first": counts.first_loss, "loss_last": self.last_loss}
        return found | {name: loss for name, loss in losses.items() if loss is not None}

    def _stand(self) -> Stand:
        counts = self.trainer.counts
        return Stand(
            step=counts.step,
            epoch=counts.step / self._plan.steps_per_epoch,
            tokens=counts.trained_tokens,
            loss=self.last_loss,
            learning_rate=self._rate,
            grad_norm=self.trainer.grad_norm,
        )

    def _due(self, step: int, now: float) -> bool:
        since = now - self._saved
        asked = self._plan.save_steps is not None and step % self._plan.save_steps == 0
        return asked or since >= self._wait or (step >= self._plan.total_steps and since >= _WORTH_SAVING)

    def _parts(self) -> checkpoint.Parts:
        trainer = self.trainer
        return checkpoint.Parts(
            trainer.accelerator.unwrap_model(trainer.model),
            trainer.optimizer,
            trainer.lr_scheduler,
            trainer.accelerator.scaler,
        )
