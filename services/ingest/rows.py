"""A job's row from its spec alone, for those who ask before Kafka has brought it. Pure."""

from schemas.jobs import JobRow, Position, fold
from schemas.records import SpecRecord
from services.common.journal import envelope_of
from services.ingest import events


def row_of(record: SpecRecord) -> JobRow:
    """Give the row of a job that was accepted and no more."""
    nowhere = Position(partition=0, offset=0)
    row = fold(None, envelope_of(events.accepted(record)), nowhere)
    row = fold(row, envelope_of(events.queued(record)), nowhere) or row
    assert row is not None  # noqa: S101 - a first event always makes a row.
    return row.model_copy(update={"events_from": None})
