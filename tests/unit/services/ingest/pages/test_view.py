"""What a job's page gathers from events: curves, stages, and nothing from an event that lies about its type."""

from datetime import UTC, datetime, timedelta

import pytest

from services.ingest.pages.curve import HEIGHT, MOST, WIDTH, polyline, scale_of, thinned
from services.ingest.pages.parts import parts
from services.ingest.pages.view import JobView, Stage
from services.ingest.pages.waterfall import bars, duration
from services.ingest.pages.yaml_lines import line_of

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


def test_the_page_escapes_what_events_say() -> None:
    failed = event("job.failed", reason="<b>", retryable=False, message="<script>alert(1)</script>")
    text = "".join(parts(view_of(failed), START, None).values())
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_the_trace_is_linked_where_there_is_a_place_to_look_at_it() -> None:
    view = view_of(event("job.dreaming", traceId="a" * 32))
    assert f"http://zipkin/{'a' * 32}" in parts(view, START, "http://zipkin/{trace_id}")["summary"]
    assert "<a " not in parts(view, START, None)["summary"]


def test_a_curve_keeps_its_ends_and_stays_small() -> None:
    points = [(float(n), float(n % 7)) for n in range(10_000)]
    thin = thinned(points)
    assert len(thin) <= MOST
    assert (thin[0], thin[-1]) == (points[0], points[-1])
    assert [x for x, _ in thin] == sorted(x for x, _ in thin)


def test_a_curve_fills_its_plane_from_zero() -> None:
    points = [(1.0, 4.0), (3.0, 2.0)]
    assert polyline(points, scale_of(points)) == f"0.00,0.00 {WIDTH:.2f},{HEIGHT / 2:.2f}"
    assert polyline([], scale_of([])) == ""
    assert polyline([(1.0, 0.0)], scale_of([(1.0, 0.0)])) == f"0.00,{HEIGHT:.2f}"


def test_bars_share_one_axis_and_the_running_one_reaches_to_now() -> None:
    stages = [
        Stage("waiting", 0, START, START + timedelta(seconds=25)),
        Stage("training", 1, START + timedelta(seconds=25)),
    ]
    first, second = bars(stages, START + timedelta(seconds=100))
    assert (first.left, first.width, first.running) == (0, 25, False)
    assert (second.left, second.width, second.running, second.took) == (25, 75, True, "1 min 15 s")
    assert bars([], START) == []


@pytest.mark.parametrize(("seconds", "text"), [(0.04, "0.0 s"), (59, "59.0 s"), (61, "1 min 1 s"), (3700, "1 h 1 min")])
def test_a_duration_has_the_two_units_that_matter(seconds: float, text: str) -> None:
    assert duration(timedelta(seconds=seconds)) == text


YAML = """kind: ConfigMap
metadata: {name: c}
---
kind: Workspace
tuning:
  Method: x
  input:
    urls:
    - one
    - two
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("tuning.method", 6),
        ("tuning.input.urls[1]", 10),
        ("tuning.output.image", 5),
        ("tuning.input.urls[9]", 8),
        ("", 4),
    ],
)
def test_a_problem_is_found_at_its_line_or_at_what_is_around_it(path: str, line: int) -> None:
    assert line_of(YAML, 0, path) == line


def test_there_is_no_line_where_there_is_no_document() -> None:
    assert line_of(YAML, 1, "kind") is None
    assert line_of("a: [", 0, "a") is None
