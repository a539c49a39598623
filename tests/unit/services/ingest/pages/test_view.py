"""What a job's page gathers from events: curves, stages, and nothing from an event that lies about its type."""

from datetime import UTC, datetime, timedelta

import pytest

from services.ingest.pages.links import Links
from services.ingest.pages.parts import parts
from services.ingest.pages.summary import Queue
from services.ingest.pages.view import JobView, Stage
from services.ingest.pages.waterfall import bars, duration

JOB = "default.a.0123456789ab"
START = datetime(2026, 1, 1, tzinfo=UTC)


def event(kind: str, second: float = 0, attempt: int = 1, **data: object) -> dict[str, object]:
    time = (START + timedelta(seconds=second)).isoformat()
    head = {"id": "x", "type": kind, "time": time, "jobId": JOB, "attempt": attempt, "sequence": 1}
    return {**head, **data}


def progress(step: int, loss: float, second: float = 0) -> dict[str, object]:
    return event(
        "training.progress", second, step=step, totalSteps=10, epoch=0.1, loss=loss, tokens=1, tokensPerSecond=5.0
    )


def view_of(*events: dict[str, object]) -> JobView:
    view = JobView(JOB)
    for one in events:
        view.add(one)
    return view


def test_curves_follow_progress_and_evaluations() -> None:
    evaluated = event("training.evaluated", step=2, totalSteps=10, loss=1.5, baseLoss=3.0)
    view = view_of(progress(1, 2.0), progress(2, 1.0), evaluated)
    assert view.losses == [(1, 2.0), (2, 1.0)]
    assert view.speeds == [(1, 5.0), (2, 5.0)]
    assert view.evaluations == [(2, 1.5, 3.0)]


def test_a_resumed_training_draws_from_its_checkpoint_on() -> None:
    resumed = event("training.resumed", step=1, totalSteps=10)
    assert view_of(progress(1, 2.0), progress(2, 9.0), resumed, progress(2, 1.0)).losses == [(1, 2.0), (2, 1.0)]


def test_stages_follow_each_other_and_each_attempt_has_its_own() -> None:
    digest = "sha256:0"
    view = view_of(
        event("job.queued", 0, 0, specDigest=digest),
        event("job.claimed", 2, 1, worker="a"),
        event("job.queued", 5, 1, specDigest=digest),
        event("job.claimed", 6, 2, worker="b"),
        event("job.failed", 9, 2, reason="Internal", retryable=True, message="m"),
    )
    assert [(stage.name, stage.attempt) for stage in view.stages] == [
        ("waiting", 0),
        ("staging", 1),
        ("waiting", 1),
        ("staging", 2),
    ]
    assert all(stage.end for stage in view.stages)
    assert view.ended


@pytest.mark.parametrize(
    "broken",
    [
        event("training.progress", step="many", totalSteps=10, epoch=0, tokens=1),
        event("job.failed", reason=1, retryable="maybe", message=[]),
        event("dataset.checked", problems=7),
        event("job.accepted"),
    ],
)
def test_an_event_that_does_not_fit_its_type_is_left_out(broken: dict[str, object]) -> None:
    assert view_of(broken).total == 0


def test_a_type_of_a_later_version_is_listed() -> None:
    assert view_of(event("job.dreaming", of="sheep")).total == 1


def test_an_evaluation_of_the_same_step_replaces_the_one_before() -> None:
    early = event("training.evaluated", step=2, totalSteps=10, loss=1.5)
    assert view_of(early, {**early, "loss": 1.0, "baseLoss": 3.0}).evaluations == [(2, 1.0, 3.0)]


def test_progress_does_not_hide_that_a_cancel_is_asked_for_and_an_end_stays() -> None:
    view = view_of(
        progress(1, 2.0), event("job.cancelling", state="cancelling"), {**progress(2, 1.0), "state": "running"}
    )
    assert view.state == "cancelling"
    view.add(event("job.cancelled", state="cancelled"))
    view.add({**progress(3, 1.0), "state": "running"})
    assert view.state == "cancelled"


def test_checkpoints_and_what_began_an_attempt_are_kept() -> None:
    saved = event("checkpoint.saved", step=2, digest="sha256:ab", bytes=7)
    view = view_of(event("job.claimed", worker="w", resumedFromStep=2), saved)
    assert [(mark.step, mark.bytes) for mark in view.checkpoints] == [(2, 7)]
    assert view.stages[0].note == "by w, goes on from step 2"


def test_the_page_escapes_what_events_say() -> None:
    bad = "<script>alert(1)</script>"
    failed = event("job.failed", reason="<b>", retryable=False, message=bad)
    unknown = event("job.dreaming", state=bad, traceId=bad, message=bad)
    text = "".join(parts(view_of(failed, unknown), START, Links("http://z/{trace_id}"), Queue()).values())
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_bars_share_one_axis_and_the_running_one_reaches_to_now() -> None:
    stages = [
        Stage("waiting", 0, START, START + timedelta(seconds=25)),
        Stage("training", 1, START + timedelta(seconds=25)),
    ]
    first, second = bars(stages, START + timedelta(seconds=100))
    assert (first.left, first.width, first.running) == (0, 25, False)
    assert (second.left, second.width, second.running, second.took) == (25, 75, True, "1 min 15 s")
    assert (first.first, second.first) == (False, True)
    assert bars([], START) == []


@pytest.mark.parametrize(("seconds", "text"), [(0.04, "0.0 s"), (59, "59.0 s"), (61, "1 min 1 s"), (3700, "1 h 1 min")])
def test_a_duration_has_the_two_units_that_matter(seconds: float, text: str) -> None:
    assert duration(timedelta(seconds=seconds)) == text


def test_what_the_trainer_decided_or_changed_is_noted_once() -> None:
    started = event("training.started", totalSteps=10, dtype="f", device="c", trainableParameters=1, targetModules=1)
    changed = {**progress(2, 1.0), "notes": ["goes on in <halves>"]}
    view = view_of({**started, "notes": ["learning_rate is low"]}, progress(1, 2.0), changed, changed)
    assert list(view.notes) == ["learning_rate is low", "goes on in <halves>"]
    shown = parts(view, START, Links(), Queue())["ending"]
    assert "2 notes on the training" in shown
    assert "goes on in &lt;halves&gt;" in shown
