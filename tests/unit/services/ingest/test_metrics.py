"""The ends of jobs: events are anybody's word, so their reasons become labels only when we know them."""

from datetime import UTC, datetime, timedelta

import pytest

from schemas.events import State
from schemas.failures import Reason
from schemas.jobs import Failure, JobRow
from services.ingest.metrics import Metrics

START = datetime(2026, 1, 2, tzinfo=UTC)


def row(state: State, reason: str | None = None, seconds: float = 90) -> JobRow:
    return JobRow(
        job_id="default.a.0123456789ab",
        state=state,
        kaito_state=state.kaito,
        created_at=START,
        updated_at=START + timedelta(seconds=seconds),
        failure=Failure(reason=reason, message="no") if reason else None,
    )


@pytest.mark.parametrize(
    ("ended", "reason"),
    [
        (row(State.SUCCEEDED), ""),
        (row(State.FAILED, Reason.OUT_OF_MEMORY), "OutOfMemory"),
        (row(State.REJECTED, "Rejected"), "Rejected"),
        (row(State.FAILED, "made-up-by-somebody-7f3a"), "other"),
    ],
)
def test_an_end_is_counted_with_a_reason_that_we_know(ended: JobRow, reason: str) -> None:
    metrics = Metrics()
    metrics.ended(ended)
    labels = {"state": ended.state.value, "reason": reason}
    assert metrics.registry.get_sample_value("lorabus_jobs_ended_total", labels) == 1
    assert metrics.registry.get_sample_value("lorabus_job_duration_seconds_sum", {"state": ended.state.value}) == 90


def test_a_clock_that_runs_backwards_is_no_negative_time() -> None:
    metrics = Metrics()
    metrics.ended(row(State.CANCELLED, seconds=-5))
    assert metrics.registry.get_sample_value("lorabus_job_duration_seconds_sum", {"state": "cancelled"}) == 0


def test_every_outcome_that_alerts_look_at_begins_at_zero() -> None:
    metrics = Metrics()
    for reason in Reason:
        labels = {"state": "failed", "reason": reason.value}
        assert metrics.registry.get_sample_value("lorabus_jobs_ended_total", labels) == 0
