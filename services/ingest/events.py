"""The events that ingest writes. Pure.

Each has a fixed number and takes its time from what is written in the store, so that sending it again, by whichever
process, sends the same bytes.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from schemas.envelope import Envelope
from schemas.events import TYPE_OF, EventData
from schemas.events.job import FieldProblem, JobAccepted, JobCancelled, JobCancelling, JobQueued, JobRejected
from schemas.jobs import JobRow
from schemas.records import CancelRecord, OutboxRecord, SpecRecord
from schemas.topics import full_type
from schemas.workspace import ResolvedSpec
from services.common.journal import envelope_of
from services.common.telemetry import trace_id

SOURCE = "ingest"
ACCEPTED, QUEUED, CANCELLING, CANCELLED = 1, 2, 3, 4
REJECTED = 1
MOST_NAME, MOST_WORDS = 253, 1000


def accepted(record: SpecRecord) -> OutboxRecord:
    """`job.accepted`: it carries the resolved spec."""
    spec = record.spec
    return _event(
        JobAccepted(
            **_head(record.job_id, ACCEPTED, record.traceparent),
            spec_digest=record.spec_digest,
            namespace=spec.namespace,
            name=spec.name,
            preset=spec.preset,
            method=spec.method,
            spec=_plain(spec),
            warnings=record.warnings,
        ),
        record.accepted_at,
        record.traceparent,
    )


def queued(record: SpecRecord) -> OutboxRecord:
    """`job.queued`."""
    data = JobQueued(**_head(record.job_id, QUEUED, record.traceparent), spec_digest=record.spec_digest)
    return _event(data, record.accepted_at, record.traceparent)


def rejected(
    job_id: str, namespace: str, name: str, problems: Iterable[FieldProblem], *, time: datetime, traceparent: str
) -> OutboxRecord:
    """`job.rejected`."""
    head = _head(job_id, REJECTED, traceparent)
    # Names and paths are as given, which may be as much as a record can hold.
    told = [FieldProblem(path=one.path[:MOST_WORDS], message=one.message[:MOST_WORDS]) for one in problems]
    names = {"namespace": namespace[:MOST_NAME], "name": name[:MOST_NAME]}
    return _event(JobRejected(**head, **names, problems=told), time, traceparent)


def cancelling(record: SpecRecord, cancel: CancelRecord) -> OutboxRecord:
    """`job.cancelling`."""
    head = _head(record.job_id, CANCELLING, record.traceparent)
    return _event(JobCancelling(**head, requested_by=cancel.requested_by), cancel.requested_at, record.traceparent)


def cancelled(record: SpecRecord, cancel: CancelRecord) -> OutboxRecord:
    """`job.cancelled` of a job that no trainer ever had."""
    head = _head(record.job_id, CANCELLED, record.traceparent)
    return _event(JobCancelled(**head), cancel.requested_at, record.traceparent)


def answering(event: OutboxRecord, request_id: str | None) -> Envelope:
    """Give the event as it travels; an answer names the request that it belongs to."""
    envelope = envelope_of(event)
    return replace(envelope, extensions={"requestid": request_id}) if request_id else envelope


def row_envelope(row: JobRow) -> Envelope:
    """Give a job's row as it travels on the jobs topic."""
    return Envelope(
        id=f"{row.job_id}:{row.version}",
        type=full_type("job.row"),
        source=SOURCE,
        subject=row.job_id,
        time=row.updated_at,
        traceparent=row.traceparent,
        data=row.to_wire(),
    )


def _plain(spec: ResolvedSpec) -> dict[str, object]:
    """The spec without what only updates need and without what is not set; a configuration keeps its nulls."""
    kept = {name: part for name, part in spec.plain.items() if name != "fixed"}
    return {name: part if name == "config" else _without_nulls(part) for name, part in kept.items()}


def _without_nulls(value: object) -> object:
    if not isinstance(value, dict):
        return value
    return {name: _without_nulls(item) for name, item in value.items() if item is not None}


def _head(job_id: str, sequence: int, traceparent: str) -> dict[str, object]:
    return {"job_id": job_id, "attempt": 0, "sequence": sequence, "trace_id": trace_id(traceparent)}


def _event(data: EventData, time: datetime, traceparent: str) -> OutboxRecord:
    return OutboxRecord(
        id=f"{data.job_id}:{data.attempt}:{SOURCE}:{data.sequence}",
        type=full_type(TYPE_OF[type(data)]),
        source=SOURCE,
        time=time,
        traceparent=traceparent,
        data=data.to_wire(),
    )
