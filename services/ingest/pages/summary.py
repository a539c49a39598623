"""How a job is doing, in a few figures and a sentence. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from schemas import waiting
from schemas.events import State
from schemas.events.job import JobQueued
from services.ingest.pages.view import JobView
from services.ingest.pages.waterfall import duration, span

WORKING = (State.STAGING, State.RUNNING, State.PUBLISHING)
HEARD_EVERY = 25
"""Progress is said aloud only when it passes such a share of the whole, in per cent."""


@dataclass(frozen=True, slots=True)
class Queue:
    """How many jobs wait for a trainer and how many are being worked on."""

    waiting: int = 0
    working: int = 0


def queue_of(counts: Mapping[str, tuple[int, str]]) -> Queue:
    """From the number of jobs by state."""
    numbers = {state: number for state, (number, _) in counts.items()}
    return Queue(numbers.get(State.PENDING, 0), sum(numbers.get(state, 0) for state in WORKING))


def why_waiting(view: JobView, queue: Queue, now: datetime) -> str | None:
    """Why nothing happens to a job that is pending; None for one that is not."""
    if view.state != State.PENDING:
        return None
    queued = view.of("job.queued")
    told = _pause(queued, now) if queued else None
    return told or waiting.queue(max(queue.waiting, 1), queue.working)


def done(view: JobView) -> float | None:
    """The share of steps that are done, in per cent; None before training."""
    progress: Mapping[str, Any] = view.of("training.progress") or {}
    total = float(progress.get("totalSteps") or 0)
    return min(100.0, 100.0 * float(progress["step"]) / total) if total > 0 else None


def heard(view: JobView) -> str:
    """What a screen reader says: it changes with the state and a few times in between, not with every step."""
    share = done(view)
    if view.state != State.RUNNING or share is None:
        return f"Job {view.state}"
    return f"Job running, {int(share // HEARD_EVERY) * HEARD_EVERY} % done"


def took(view: JobView, now: datetime) -> str | None:
    """From the first event to the last one, or to now while it runs."""
    return duration(span(view.stages, now)) if view.stages else None


def left(view: JobView) -> str | None:
    """How long the training will go on, as the trainer estimates it."""
    progress: Mapping[str, Any] = view.of("training.progress") or {}
    seconds = progress.get("etaSeconds")
    return waiting.length(seconds) if view.state == State.RUNNING and isinstance(seconds, int | float) else None


def _pause(queued: Mapping[str, Any], now: datetime) -> str | None:
    try:
        event, at = JobQueued.model_validate(queued), datetime.fromisoformat(str(queued.get("time")))
    except (ValidationError, ValueError):
        return None
    return waiting.pause(event, at, now) if at.tzinfo else None
