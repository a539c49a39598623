"""A job's row follows its events, in any repetition, and never leaves its end."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from schemas.envelope import Envelope, decode, encode
from schemas.events import TYPE_OF, EventData, State
from schemas.events.job import (
    Image,
    JobAccepted,
    JobCancelled,
    JobCancelling,
    JobClaimed,
    JobFailed,
    JobQueued,
    JobRejected,
    JobSucceeded,
)
from schemas.events.training import AdapterTrained, TrainingEvaluated, TrainingProgress
from schemas.jobs import JobRow, Position, fold
from schemas.topics import full_type

JOB = "default.a.0123456789ab"
START = datetime(2026, 1, 1, tzinfo=UTC)


def event(model: type[EventData], source: str, attempt: int, sequence: int, **data: object) -> Envelope:
    body = model.model_validate({"job_id": JOB, "attempt": attempt, "sequence": sequence, **data})
    return Envelope(
        type=full_type(TYPE_OF[model]),
        source=source,
        subject=JOB,
        data=body.to_wire(),
        time=START + timedelta(seconds=attempt * 100 + sequence),
        id=f"{JOB}:{attempt}:{source}:{sequence}",
    )


ACCEPTED = event(
    JobAccepted, "ingest", 0, 1, spec_digest="sha256:1", namespace="default", name="a", preset="tiny", method="lora"
)
QUEUED = event(JobQueued, "ingest", 0, 2, spec_digest="sha256:1")
CLAIMED = event(JobClaimed, "trainer", 1, 1, worker="w1")
PROGRESS = event(TrainingProgress, "trainer", 1, 2, step=3, total_steps=10, epoch=0.3, loss=2.5, tokens=100)
CANCELLING = event(JobCancelling, "ingest", 0, 3)
FAILED = event(JobFailed, "trainer", 1, 3, reason="DatasetEmpty", retryable=False, message="no rows")
SUCCEEDED = event(
    JobSucceeded, "publisher", 1, 1, image=Image(reference="r/a:1", digest="sha256:2", size=9), metrics={"loss": 0.5}
)


def run(*events: Envelope) -> JobRow:
    row: JobRow | None = None
    for offset, item in enumerate(events):
        row = fold(row, item, Position(partition=0, offset=offset)) or row
    assert row is not None
    return row


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([ACCEPTED], State.PENDING),
        ([ACCEPTED, QUEUED, CLAIMED], State.STAGING),
        ([ACCEPTED, QUEUED, CLAIMED, PROGRESS], State.RUNNING),
        ([ACCEPTED, QUEUED, CLAIMED, CANCELLING], State.CANCELLING),
        ([ACCEPTED, CLAIMED, PROGRESS, SUCCEEDED], State.SUCCEEDED),
        ([ACCEPTED, CLAIMED, PROGRESS, FAILED, SUCCEEDED], State.FAILED),
        ([event(JobRejected, "ingest", 0, 1, problems=[{"path": "tuning", "message": "missing"}])], State.REJECTED),
    ],
)
def test_the_state_follows_the_events(events: list[Envelope], state: State) -> None:
    assert run(*events).state is state


def test_progress_does_not_hide_a_cancel_but_an_end_does() -> None:
    row = run(ACCEPTED, CLAIMED, CANCELLING, PROGRESS)
    assert row.state is State.CANCELLING
    cancelled = fold(row, event(JobCancelled, "trainer", 1, 3), Position(partition=0, offset=9))
    assert cancelled is not None
    assert cancelled.state is State.CANCELLED


def test_a_repeated_event_changes_nothing() -> None:
    row = run(ACCEPTED, QUEUED, CLAIMED, PROGRESS)
    assert all(fold(row, again, Position(partition=0, offset=7)) is None for again in (ACCEPTED, CLAIMED, PROGRESS))


def test_an_older_attempt_is_late() -> None:
    row = run(ACCEPTED, CLAIMED, event(JobClaimed, "trainer", 2, 1, worker="w2"))
    assert fold(row, PROGRESS, Position(partition=0, offset=7)) is None
    assert row.worker == "w2"


def test_an_unknown_type_is_ignored() -> None:
    stranger = Envelope(type="lorabus.job.praised.v1", source="x", data={"jobId": JOB})
    assert fold(run(ACCEPTED), stranger, Position(partition=0, offset=7)) is None


def test_the_row_keeps_what_people_ask_for() -> None:
    row = run(ACCEPTED, CLAIMED, PROGRESS, SUCCEEDED)
    assert (row.preset, row.method, row.worker, row.version) == ("tiny", "lora", "w1", 4)
    assert row.progress is not None
    assert row.progress.loss == 2.5
    assert row.image is not None
    assert row.image.reference == "r/a:1"
    assert row.events_from == Position(partition=0, offset=0)
    assert JobRow.model_validate(row.to_wire()) == row


def test_a_figure_that_is_no_number_is_left_out_and_does_not_lose_the_row() -> None:
    """A model that has diverged: JSON writes its loss as null, and everything after it must still be read."""
    figures = {"eval_loss": float("nan"), "perplexity": float("inf"), "loss_last": 2.0}
    trained = event(AdapterTrained, "trainer", 1, 9, digest="d", files=[], metrics=figures, trained_tokens=1)
    evaluated = event(TrainingEvaluated, "trainer", 1, 8, step=1, total_steps=1, loss=float("nan"))
    row = run(*(decode(*encode(one)) for one in (ACCEPTED, CLAIMED, evaluated, trained, SUCCEEDED)))
    assert row.metrics == {"loss_last": 2.0, "loss": 0.5}
    assert JobRow.model_validate_json(row.model_dump_json()) == row
    forged = {**(SUCCEEDED.data or {}), "metrics": {"a": "NaN", "b": None, "c": 1}}
    assert run(ACCEPTED, CLAIMED, replace(SUCCEEDED, data=forged)).metrics == {"c": 1}
