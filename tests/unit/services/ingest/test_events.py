"""Ingest's events: fixed numbers, and the same bytes whenever and by whomever they are sent again."""

from datetime import UTC, datetime

from schemas.admission import admit
from schemas.envelope import encode
from schemas.events.job import FieldProblem
from schemas.records import CancelRecord, SpecRecord
from services.ingest import events
from services.ingest.rows import row_of
from tests.component.services.ingest.harness import workspace

AT = datetime(2026, 1, 1, 12, 0, 0, 123000, tzinfo=UTC)
TRACE = f"00-{'1' * 32}-{'2' * 16}-01"


def record() -> SpecRecord:
    spec = admit(workspace()).spec
    assert spec is not None
    return SpecRecord(
        job_id="default.answers.0123456789ab",
        spec_digest=spec.spec_digest,
        spec=spec,
        accepted_at=AT,
        traceparent=TRACE,
    )


def test_every_event_of_a_job_has_a_number_of_its_own() -> None:
    cancel = CancelRecord(requested_at=AT)
    made = [
        events.accepted(record()),
        events.queued(record()),
        events.cancelling(record(), cancel),
        events.cancelled(record(), cancel),
    ]
    assert [event.data["sequence"] for event in made] == [1, 2, 3, 4]
    assert [event.id for event in made] == [f"default.answers.0123456789ab:0:ingest:{n}" for n in range(1, 5)]
    assert {event.data["traceId"] for event in made} == {"1" * 32}


def test_a_record_that_was_stored_and_read_back_gives_the_same_bytes() -> None:
    stored = SpecRecord.model_validate_json(record().model_dump_json(by_alias=True, exclude_none=True))
    for event in (events.accepted, events.queued):
        assert encode(events.answering(event(stored), "r")) == encode(events.answering(event(record()), "r"))


def test_an_answer_names_the_request_that_it_belongs_to() -> None:
    _, headers = encode(events.answering(events.accepted(record()), "r-7"))
    assert dict(headers)["ce_requestid"] == b"r-7"


def test_a_rejection_lists_every_problem() -> None:
    problems = [FieldProblem(path="a", message="b"), FieldProblem(path="c", message="d")]
    event = events.rejected("j", "default", "n", problems, time=AT, traceparent=TRACE)
    assert event.data["problems"] == [{"path": "a", "message": "b"}, {"path": "c", "message": "d"}]
    assert (event.data["state"], event.data["kaitoState"]) == ("rejected", "Failed")


def test_the_row_of_a_job_that_was_accepted_a_moment_ago() -> None:
    row = row_of(record())
    assert (row.state, row.preset, row.version, row.created_at, row.events_from) == ("pending", "tiny", 2, AT, None)
