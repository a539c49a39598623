"""A job's row on the compacted topic, and how an event changes it. Pure; ingest is the only writer."""

from datetime import datetime

from pydantic import Field

from schemas.envelope import Envelope
from schemas.events import EVENT_TYPES, EventData, State, Wire
from schemas.events.base import Count, Figures
from schemas.events.job import Image, JobAccepted, JobClaimed, JobFailed, JobRejected, JobSucceeded
from schemas.events.training import AdapterTrained, TrainingEvaluated, TrainingProgress, TrainingStarted
from schemas.topics import short_type


class Progress(Wire):
    """The newest figures of a running job."""

    step: Count
    total_steps: Count
    epoch: float | None = None
    loss: float | None = None
    tokens_per_second: float | None = None
    eta_seconds: float | None = None


class Failure(Wire):
    """Why the job failed or was rejected."""

    reason: str
    message: str
    retryable: bool = False


class Position(Wire):
    """Where the job's first event stands on the status topic."""

    partition: int
    offset: int


class JobRow(Wire):
    """The newest state of a job. `version` counts the events folded in: a reader ignores a lower one."""

    job_id: str
    namespace: str = "default"
    name: str = ""
    preset: str | None = None
    method: str | None = None
    spec_digest: str | None = None
    state: State
    kaito_state: str
    attempt: int = 0
    worker: str | None = None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    progress: Progress | None = None
    metrics: Figures = Field(default_factory=dict)
    image: Image | None = None
    failure: Failure | None = None
    traceparent: str | None = None
    events_from: Position | None = None
    version: int = 1
    seen: dict[str, int] = Field(default_factory=dict, description="`attempt:source` -> last sequence folded in.")


def fold(row: JobRow | None, event: Envelope, position: Position) -> JobRow | None:
    """Give the row after `event`, or None when the event changes nothing (seen before, unknown type, late).

    A terminal state stays; events of an older attempt than the row's are ignored unless they end the job;
    while a cancel is asked for, progress does not hide it.
    """
    data = read(event)
    if data is None:
        return None
    key = f"{data.attempt}:{event.source}"
    if row is not None and (data.sequence <= row.seen.get(key, 0) or row.state.terminal):
        return None
    if row is not None and data.attempt and data.attempt < row.attempt and not data.state.terminal:
        return None
    base = row or _first_row(data, event, position)
    state = _next_state(base.state, data) if row else data.state
    return base.model_copy(
        update={
            "state": state,
            "kaito_state": state.kaito,
            "attempt": max(base.attempt, data.attempt),
            "updated_at": event.time,
            "version": base.version + 1 if row else 1,
            "seen": {**base.seen, key: data.sequence},
            **_details(base, data, event),
        }
    )


def read(event: Envelope) -> EventData | None:
    """Decode an event's data by its type; None for a type that this version does not know."""
    model = EVENT_TYPES.get(short_type(event.type))
    return None if model is None or event.data is None else model.model_validate(event.data)


def _first_row(data: EventData, event: Envelope, position: Position) -> JobRow:
    return JobRow(
        job_id=data.job_id,
        state=data.state,
        kaito_state=data.state.kaito,
        created_at=event.time,
        updated_at=event.time,
        traceparent=event.traceparent,
        events_from=position,
    )


def _next_state(current: State, data: EventData) -> State:
    if data.state.terminal or current is not State.CANCELLING:
        return data.state
    return State.CANCELLING


def _details(row: JobRow, data: EventData, event: Envelope) -> dict[str, object]:
    match data:
        case JobAccepted():
            fields = ("namespace", "name", "preset", "method", "spec_digest")
            return {name: getattr(data, name) for name in fields}
        case JobRejected():
            message = "; ".join(f"{p.path}: {p.message}" if p.path else p.message for p in data.problems)
            failure = Failure(reason="Rejected", message=message)
            return {"namespace": data.namespace, "name": data.name, "failure": failure}
        case JobClaimed():
            return {"worker": data.worker, "started_at": row.started_at or event.time}
        case TrainingStarted():
            return {"progress": Progress(step=0, total_steps=data.total_steps)}
        case TrainingProgress():
            return {"progress": Progress.model_validate(data.model_dump())}
        case TrainingEvaluated():
            return {"metrics": row.metrics if data.loss is None else {**row.metrics, "eval_loss": data.loss}}
        case AdapterTrained():
            return {"metrics": {**row.metrics, **data.metrics}}
        case JobSucceeded():
            return {"image": data.image, "metrics": {**row.metrics, **data.metrics}}
        case JobFailed():
            return {"failure": Failure(reason=data.reason, message=data.message, retryable=data.retryable)}
        case _:
            return {}
