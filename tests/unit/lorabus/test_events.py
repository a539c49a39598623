"""Records of the status topic become events; anybody may write there, so anything may come."""

from datetime import UTC, datetime

import pytest

from lorabus.events import Event, end_from_row, event_from_flat, event_of
from schemas.envelope import Envelope
from schemas.events.base import State
from schemas.events.job import Image
from schemas.jobs import Failure, JobRow

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
HEAD: dict[str, object] = {"jobId": "default.a.0123456789ab", "attempt": 1, "sequence": 3, "state": "failed"}
FAILED = {**HEAD, "reason": "DatasetEmpty", "retryable": False, "message": "no rows"}


def event(type_: str, data: dict[str, object] | None) -> Event | None:
    envelope = Envelope(f"lorabus.{type_}.v1", "trainer", data, time=NOON, extensions={"requestid": "r1"})
    return event_of(envelope, position=(3, 7))


def test_the_flat_form_has_type_and_time_before_the_data() -> None:
    failed = event("job.failed", FAILED)

    assert failed is not None
    assert list(failed.flat()) == ["type", "time", *FAILED]
    assert failed.flat()["type"] == "job.failed"
    assert failed.flat()["time"] == "2026-01-02T12:00:00.000Z"
    assert (failed.ends, failed.request_id, failed.position) == (State.FAILED, "r1", (3, 7))


def test_data_cannot_pretend_another_type_or_time() -> None:
    failed = event("job.failed", {**FAILED, "type": "job.succeeded", "time": "never"})

    assert failed is not None
    assert (failed.flat()["type"], failed.flat()["time"]) == ("job.failed", "2026-01-02T12:00:00.000Z")


def test_an_unknown_type_is_passed_on_and_ends_nothing() -> None:
    unknown = event("job.praised", {**HEAD, "state": "succeeded"})

    assert unknown is not None
    assert unknown.ends is None
    assert unknown.flat()["type"] == "job.praised"


@pytest.mark.parametrize("data", [None, {}, {"jobId": 3}, {**FAILED, "attempt": -1}, {**HEAD, "retryable": "perhaps"}])
def test_what_is_no_event_is_passed_over(data: dict[str, object] | None) -> None:
    assert event("job.failed", data) is None


def test_the_flat_form_is_read_back_as_ingest_gives_it() -> None:
    failed = event("job.failed", FAILED)
    assert failed is not None

    again = event_from_flat({"id": "the-id", **failed.flat()})

    assert again is not None
    assert (again.id, again.type, again.time, again.model) == ("the-id", "job.failed", NOON, failed.model)
    assert event_from_flat({"type": "job.failed", "time": "soon", **FAILED}) is None


def row(state: State, **details: object) -> JobRow:
    head = {"job_id": "default.a.0123456789ab", "state": state, "kaito_state": state.kaito}
    return JobRow.model_validate({**head, "created_at": NOON, "updated_at": NOON, **details})


@pytest.mark.parametrize(
    ("state", "details"),
    [
        (State.SUCCEEDED, {"image": Image(reference="r/x:1", digest="sha256:1", size=9)}),
        (State.FAILED, {"failure": Failure(reason="DatasetEmpty", message="no rows")}),
        (State.REJECTED, {"failure": Failure(reason="Rejected", message="tuning.method: nothing")}),
        (State.CANCELLED, {}),
    ],
)
def test_a_row_tells_how_a_job_ended_whose_events_are_gone(state: State, details: dict[str, object]) -> None:
    end = end_from_row(row(state, **details))

    assert end is not None
    assert (end.ends, end.type, end.time) == (state, f"job.{state}", NOON)


@pytest.mark.parametrize("state", [State.PENDING, State.RUNNING, State.CANCELLING])
def test_a_row_of_a_living_job_tells_no_end(state: State) -> None:
    assert end_from_row(row(state)) is None
