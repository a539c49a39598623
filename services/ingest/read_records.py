"""Records of the jobs and events topics as the read model stores them. Pure.

What nobody can read is left out here: whoever owns the partition dead-letters it, a reader of the whole topic
must not do so again.
"""

from datetime import UTC, datetime

import orjson
from aiokafka import ConsumerRecord

from schemas.envelope import Envelope, EnvelopeError, decode
from schemas.jobs import JobRow
from schemas.topics import full_type, short_type
from services.ingest.read_tables import StoredEvent, StoredJob

JOB_ROW = full_type("job.row")


def job_of(record: ConsumerRecord) -> StoredJob | None:
    """Read a row of the jobs topic."""
    try:
        if record.value is None:
            return StoredJob((record.key or b"").decode())
        return stored_job(JobRow.model_validate_json(record.value))
    except (ValueError, OverflowError, TypeError):  # Also times and numbers that JSON has and nothing here can hold.
        return None


def stored_job(row: JobRow) -> StoredJob:
    """Give the columns beside the row."""
    text = orjson.dumps(row.to_wire()).decode()
    return StoredJob(row.job_id, row.namespace, row.name, row.state.value, sortable(row.created_at), row.version, text)


def event_of(record: ConsumerRecord) -> StoredEvent | None:
    """Read an event that is keyed by its job; types that this version does not know are kept as they are."""
    try:
        envelope = decode(record.value, record.headers)
    except EnvelopeError:
        return None
    data = envelope.data or {}
    job_id = data.get("jobId")
    if not isinstance(job_id, str) or job_id.encode() != record.key:
        return None
    return StoredEvent(record.partition, record.offset, job_id, envelope.id, orjson.dumps(flat(envelope)).decode())


def flat(envelope: Envelope) -> dict[str, object]:
    """Give an event as one object, as the command's --json lines have it."""
    time = envelope.time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    own = {"id": envelope.id, "type": short_type(envelope.type), "time": time}
    return {**own, **{name: value for name, value in (envelope.data or {}).items() if name not in own}}


def sortable(time: datetime) -> str:
    """Give a time as text of one length, so that texts sort as times do."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")
