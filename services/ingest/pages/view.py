"""What a job's page shows, gathered from its events one by one. Pure."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from schemas.events import EVENT_TYPES, State

Event = Mapping[str, Any]
NEWEST = 100
MOST_STAGES = 200
MOST_NOTES = 50
MOST = 1e15
STAGE_AFTER = {
    "job.accepted": "waiting",
    "job.queued": "waiting",
    "job.claimed": "staging",
    "dataset.staging": "staging",
    "dataset.staged": "checking",
    "dataset.checked": "loading",
    "training.started": "training",
    "training.resumed": "training",
    "adapter.trained": "publishing",
    "image.pushing": "publishing",
}
"""What a job does from an event on, until an event that begins something else."""
ENDS = frozenset({"job.succeeded", "job.failed", "job.cancelled", "job.rejected"})


@dataclass(slots=True)
class Stage:
    """One bar of the timeline; `end` None: it goes on. `note` says what is special about it."""

    name: str
    attempt: int
    start: datetime
    end: datetime | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that lies complete in the store."""

    step: int
    attempt: int
    bytes: int
    digest: str
    time: str


@dataclass(slots=True)
class JobView:
    """`losses` and `speeds` are (step, value), `evaluations` (step, loss, loss of the base model or None).

    `notes` are what the trainer decided or changed, each once, in order.
    """

    job_id: str
    state: str = State.PENDING
    first: Event | None = None
    last: Event | None = None
    attempt: int = 0
    total_steps: float = 0
    losses: list[tuple[float, float]] = field(default_factory=list)
    speeds: list[tuple[float, float]] = field(default_factory=list)
    evaluations: list[tuple[float, float, float | None]] = field(default_factory=list)
    resumes: list[float] = field(default_factory=list)
    checkpoints: deque[Checkpoint] = field(default_factory=lambda: deque(maxlen=NEWEST))
    stages: list[Stage] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)
    by_type: dict[str, Event] = field(default_factory=dict)
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=NEWEST))
    total: int = 0
    ended: bool = False

    def add(self, event: Event) -> None:
        """Take the next event; one that does not fit its type is left out, for others write events too."""
        kind = str(event.get("type"))
        read = _read(kind, event)
        if read is None:
            return
        event = read
        self.first = self.first or event
        self.last = event
        self.total += 1
        self.by_type[kind] = event
        self.events.appendleft(event)
        self.attempt = max(self.attempt, int(_number(event.get("attempt")) or 0))
        self._move(kind, event)
        self._draw(kind, event)
        self._remark(kind, event)
        self._stage(kind, event)

    def of(self, kind: str) -> Event | None:
        """The newest event of a type."""
        return self.by_type.get(kind)

    def _move(self, kind: str, event: Event) -> None:
        """As `schemas.jobs.fold` has it: an end stays, and progress does not hide that a cancel is asked for."""
        state = event.get("state")
        if (
            isinstance(state, str)
            and state in set(State)
            and not self.ended
            and (self.state != State.CANCELLING or kind in ENDS)
        ):
            self.state = str(state)
        self.ended = self.ended or kind in ENDS

    def _draw(self, kind: str, event: Event) -> None:
        self.total_steps = _number(event.get("totalSteps")) or self.total_steps
        step = _number(event.get("step"))
        if step is None:
            return
        if kind == "training.resumed":
            self.losses = [point for point in self.losses if point[0] <= step]
            self.speeds = [point for point in self.speeds if point[0] <= step]
            self.evaluations = [point for point in self.evaluations if point[0] <= step]
            self.resumes.append(step)
        loss, speed = _number(event.get("loss")), _number(event.get("tokensPerSecond"))
        if kind == "training.evaluated" and loss is not None:
            self.evaluations = [point for point in self.evaluations if point[0] != step]
            self.evaluations.append((step, loss, _number(event.get("baseLoss"))))
        if kind == "training.progress":
            self.losses += [(step, loss)] if loss is not None else []
            self.speeds += [(step, speed)] if speed is not None else []
        if kind == "checkpoint.saved":
            head = (int(step), int(event["attempt"]), int(event["bytes"]))
            self.checkpoints.append(Checkpoint(*head, str(event["digest"]), str(event.get("time"))))

    def _remark(self, kind: str, event: Event) -> None:
        if kind in ("training.started", "training.progress"):
            left = MOST_NOTES - len(self.notes)
            self.notes |= dict.fromkeys(event.get("notes", ())[:left])

    def _stage(self, kind: str, event: Event) -> None:
        time, attempt = _time(event), int(_number(event.get("attempt")) or 0)
        name = STAGE_AFTER.get(kind)
        running = self.stages[-1] if self.stages and self.stages[-1].end is None else None
        if time is None or (running and (running.name, running.attempt) == (name, attempt)):
            return
        if running and (name or kind in ENDS):
            running.end = max(time, running.start)
        if name and len(self.stages) < MOST_STAGES and not self.ended:
            self.stages.append(Stage(name, attempt, time, note=_note(kind, event)))


def _note(kind: str, event: Event) -> str:
    if kind == "job.claimed":
        resumed = event.get("resumedFromStep")
        return f"by {event.get('worker')}{f', goes on from step {resumed}' if resumed else ''}"
    if kind == "job.queued" and event.get("reason"):
        return f"attempt {event.get('attempt')} ended: {event['reason']}"
    return "from the checkpoint" if kind == "training.resumed" else ""


def _read(kind: str, event: Event) -> Event | None:
    """The event with each field in its type, but for progress, which comes often; None when a field does not fit."""
    model = EVENT_TYPES.get(kind)
    try:
        fields = model.model_validate(event) if model else None
    except ValidationError:
        return None
    return event if fields is None or kind == "training.progress" else {**event, **fields.to_wire()}


def _time(event: Event) -> datetime | None:
    try:
        return datetime.fromisoformat(str(event.get("time")))
    except ValueError:
        return None


def _number(value: object) -> float | None:
    """A figure that can be drawn."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > MOST:
        return None
    return float(value)
