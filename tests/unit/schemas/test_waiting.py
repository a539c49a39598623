"""Why a job waits, in one sentence."""

from datetime import UTC, datetime, timedelta

import pytest

from schemas.events.job import JobQueued
from schemas.waiting import length, pause, queue

QUEUED_AT = datetime(2026, 1, 1, tzinfo=UTC)


def queued(retry_after: float | None = 12.0) -> JobQueued:
    given = {"reason": "StoreUnavailable", "message": "the store does not answer", "retry_after": retry_after}
    return JobQueued(job_id="a.b.c", attempt=1, sequence=9, spec_digest="sha256:0", **given)


@pytest.mark.parametrize(("seconds", "left"), [(0, "12 s"), (1.5, "11 s"), (11.9, "1 s")])
def test_a_pause_says_how_long_and_why(seconds: float, left: str) -> None:
    told = pause(queued(), QUEUED_AT, QUEUED_AT + timedelta(seconds=seconds))
    assert told == f"waits {left} before attempt 2 because of StoreUnavailable: the store does not answer"


@pytest.mark.parametrize("event", [queued(), queued(None), queued(0)])
def test_a_pause_that_is_over_or_never_was_says_nothing(event: JobQueued) -> None:
    assert pause(event, QUEUED_AT, QUEUED_AT + timedelta(seconds=12)) is None


def test_the_queue_is_counted() -> None:
    assert queue(1, 0) == "waits for a trainer: 1 job waits and none is being worked on; is a trainer running?"
    assert queue(1200, 1) == "waits for a free trainer: 1,200 jobs wait, 1 is being worked on"
    assert queue(2, 3) == "waits for a free trainer: 2 jobs wait, 3 are being worked on"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 s"), (59.1, "1 min 0 s"), (61, "1 min 1 s"), (3700, "1 h 1 min")]
)
def test_a_length_is_rounded_up(seconds: float, text: str) -> None:
    assert length(seconds) == text
