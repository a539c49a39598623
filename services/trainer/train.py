"""Training, seen from the service: resume if there is something to resume from, run the child, tell how it goes.

Messages of the child become events as they come. Checkpoints go to the store beside the training, one after the
other, and are local no longer once they are there.
"""

import asyncio
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, time

import structlog

from schemas.events.training import (
    CheckpointSaved,
    TrainingEvaluated,
    TrainingProgress,
    TrainingResumed,
    TrainingStarted,
)
from services.common import telemetry
from services.common.errors import WorldError
from services.common.journal import Journal
from services.common.object_store import ObjectStore
from services.trainer.checkpoint_store import fetch_newest, save_checkpoint
from services.trainer.children.messages import CheckpointReady, ChildMessage, Evaluated, Progress, Started
from services.trainer.children.pool import ChildResult, TrainerPool
from services.trainer.metrics import Metrics
from services.trainer.planning.plan import TrainPlan
from services.trainer.training_spans import TrainingSpans

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Training:
    """One training and what it needs of the service."""

    plan: TrainPlan
    scratch: Path
    store: ObjectStore
    journal: Journal
    metrics: Metrics
    traceparent: str
    claimed_at: float


async def train(
    training: Training, pool: TrainerPool, stop: asyncio.Event, deadline_seconds: float | None
) -> ChildResult:
    """Train to the end, or until `stop`; what was checkpointed by then lies in the store either way."""
    training = await _resume(training)
    with telemetry.span("training", training.traceparent, _attributes(training.plan)) as here:
        teller = _Teller(replace(training, traceparent=here))
        try:
            return await pool.run(
                training.plan, training.scratch, teller.on_message, stop=stop, deadline_seconds=deadline_seconds
            )
        finally:
            await teller.finish()


async def _resume(training: Training) -> Training:
    plan = training.plan
    folder = await fetch_newest(training.store, plan.job_id, plan.digest, training.scratch / "resume")
    if folder is None:
        return training
    step = int(folder.name.removeprefix("checkpoint-"))
    await training.journal.emit(TrainingResumed, step=step, total_steps=plan.total_steps)
    return replace(training, plan=plan.model_copy(update={"resume_folder": str(folder)}))


class _Teller:
    """Turns the child's messages into events, metrics and stored checkpoints."""

    def __init__(self, training: Training) -> None:
        self._training = training
        self._uploads: asyncio.Queue[CheckpointReady | None] = asyncio.Queue()
        self._uploading = asyncio.create_task(self._upload())
        self._stepped = False
        self._step = self._tokens = 0
        self._measured_at = monotonic()
        self._spans = TrainingSpans(training.traceparent, time())

    async def on_message(self, message: ChildMessage) -> None:
        emit = self._training.journal.emit
        self._spans.on_message(message, time())
        match message:
            case Started():
                self._step, self._measured_at = message.resumed_from_step or 0, monotonic()
                self._training.metrics.moved()
                await emit(TrainingStarted, **message.model_dump(exclude={"kind", "resumed_from_step", "lacking"}))
            case Progress():
                self._measure(message)
                await emit(TrainingProgress, **message.model_dump(exclude={"kind"}))
            case Evaluated():
                await emit(TrainingEvaluated, **message.model_dump(exclude={"kind"}))
            case CheckpointReady():
                self._uploads.put_nowait(message)
            case _:
                return

    async def finish(self) -> None:
        """Wait until the checkpoints made so far are in the store."""
        self._spans.finish(time())
        self._uploads.put_nowait(None)
        await asyncio.wait({self._uploading})
        self._training.metrics.tokens_per_second.set(0)

    def _measure(self, progress: Progress) -> None:
        if progress.loss is None:
            # A reminder in a long first step: nothing has been done yet.
            return
        metrics = self._training.metrics
        if not self._stepped:
            metrics.first_step(monotonic() - self._training.claimed_at)
        metrics.tokens_per_second.set(progress.tokens_per_second or 0)
        metrics.stepped(progress.step - self._step, monotonic() - self._measured_at, progress.tokens - self._tokens)
        self._stepped, self._measured_at = True, monotonic()
        self._step, self._tokens = progress.step, progress.tokens

    async def _upload(self) -> None:
        while (ready := await self._uploads.get()) is not None:
            try:
                await self._store(ready)
            except WorldError as error:
                log.warning("checkpoint not stored", step=ready.step, error=error.message)

    async def _store(self, ready: CheckpointReady) -> None:
        training = self._training
        # Not what the child names: its word may be that of the data it read, and this folder is read and removed.
        folder = training.scratch / "checkpoints" / f"checkpoint-{ready.step}"
        with telemetry.span("checkpoint.store", training.traceparent, {"lorabus.step": ready.step}):
            stored = await save_checkpoint(
                training.store, training.plan.job_id, ready.step, folder, training.plan.digest
            )
            training.metrics.checkpointed(stored.size)
            await training.journal.emit(CheckpointSaved, step=stored.step, digest=stored.digest, bytes=stored.size)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _attributes(plan: TrainPlan) -> dict[str, str | int]:
    return {
        "lorabus.job.id": plan.job_id,
        "lorabus.base_model": plan.base_model,
        "lorabus.training.steps": plan.total_steps,
        "lorabus.training.precision": plan.precision.name,
    }
