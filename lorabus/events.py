"""One event of a job, as it is read from the status topic and shown to people and programs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pydantic import ValidationError

from schemas.envelope import Envelope
from schemas.events import EventData, State
from schemas.jobs import JobRow, read
from schemas.topics import short_type

REQUEST_ID = "requestid"


@dataclass(frozen=True, slots=True)
class Event:
    """`type` is short (`job.accepted`). `model` is None for a type that this version does not know.

    `replayed` is true for what had happened before the watching began.
    """

    id: str
    type: str
    time: datetime
    data: dict[str, object]
    model: EventData | None = None
    request_id: str | None = None
    replayed: bool = False
    position: tuple[int, int] | None = field(default=None, compare=False)

    @property
    def job_id(self) -> str:
        return str(self.data["jobId"])

    @property
    def ends(self) -> State | None:
        """The terminal state that this event brings, if it brings one."""
        return self.model.state if self.model and self.model.state.terminal else None

    def flat(self) -> dict[str, object]:
        """The event as one flat object: its type and time, then its data."""
        rest = {name: value for name, value in self.data.items() if name not in ("type", "time")}
        return {"type": self.type, "time": rfc3339(self.time), **rest}


def event_of(envelope: Envelope, *, position: tuple[int, int], replayed: bool = False) -> Event | None:
    """Read a record of the status topic; None for one that is no event about a job (anybody may write there)."""
    if envelope.data is None or not isinstance(envelope.data.get("jobId"), str):
        return None
    try:
        model = read(envelope)
    except ValidationError:
        return None
    return Event(
        id=envelope.id,
        type=short_type(envelope.type),
        time=envelope.time,
        data=envelope.data,
        model=model,
        request_id=envelope.extensions.get(REQUEST_ID),
        replayed=replayed,
        position=position,
    )


def event_from_flat(flat: Mapping[str, object]) -> Event | None:
    """Read an event back from its flat form, as ingest's HTTP API gives it; None for one that is no event."""
    try:
        time = datetime.fromisoformat(str(flat.get("time")))
    except ValueError:
        return None
    data = {name: value for name, value in flat.items() if name not in ("id", "type", "time")}
    envelope = Envelope(str(flat.get("type")), "", data, time=time, id=str(flat.get("id")))
    return event_of(envelope, position=(-1, -1), replayed=True)


def end_from_row(row: JobRow) -> Event | None:
    """How a job ended as its row tells it, for a job whose events are no longer kept; None while it lives."""
    if not row.state.terminal:
        return None
    head = {"jobId": row.job_id, "attempt": row.attempt, "sequence": max(1, row.version), "state": row.state.value}
    data = {**head, "kaitoState": row.kaito_state, **_outcome(row)}
    envelope = Envelope(type=f"job.{row.state.value}", source="ingest", data=data, time=row.updated_at)
    return event_of(envelope, position=(-1, -1), replayed=True)


def _outcome(row: JobRow) -> dict[str, object]:
    if row.state is State.SUCCEEDED and row.image:
        return {"image": row.image.to_wire(), "metrics": row.metrics}
    if row.state is State.REJECTED:
        return {"problems": [{"path": "", "message": row.failure.message if row.failure else ""}]}
    return row.failure.to_wire() if row.failure else {}


def rfc3339(time: datetime) -> str:
    """A time in UTC with milliseconds, as it stands on the wire."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
