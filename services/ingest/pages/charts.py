"""The two charts of a training: loss and speed over its steps, with what marks a step. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.ingest.pages.curve import Axis, Point, axis, place, polyline, steps_axis
from services.ingest.pages.view import JobView

MOST_MARKS = 100


@dataclass(frozen=True, slots=True)
class Line:
    """One series: `points` of its polyline, `dots` where single values stand, `last` as its newest value."""

    name: str
    points: str
    last: float
    dots: Sequence[Point] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines on common axes; `level` is the height of a constant to compare with; marks are places on the x axis."""

    across: Axis
    up: Axis
    lines: Sequence[Line]
    level: float | None = None
    checkpoints: Sequence[float] = ()
    resumes: Sequence[float] = ()


def loss_chart(view: JobView) -> Chart | None:
    """Train and evaluation loss, the base model's as a level; None before there is a value."""
    evaluations = [(step, loss) for step, loss, _ in view.evaluations]
    base = next((base for _, _, base in reversed(view.evaluations) if base is not None), None)
    values = [loss for _, loss in (*view.losses, *evaluations)]
    if not values:
        return None
    across, up = _steps(view), axis([*values, *([base] if base is not None else [])])
    lines = [
        *([_line("train", view.losses, across, up)] if view.losses else []),
        *([_line("eval", evaluations, across, up, dots=True)] if evaluations else []),
    ]
    return Chart(
        across,
        up,
        lines,
        level=place((0, base), across, up)[1] if base is not None else None,
        checkpoints=[place((mark.step, 0), across, up)[0] for mark in view.checkpoints][-MOST_MARKS:],
        resumes=[place((step, 0), across, up)[0] for step in view.resumes][-MOST_MARKS:],
    )


def speed_chart(view: JobView) -> Chart | None:
    """Trained tokens per second."""
    if not view.speeds:
        return None
    across, up = _steps(view), axis([speed for _, speed in view.speeds], from_zero=True)
    return Chart(across, up, [_line("speed", view.speeds, across, up)])


def _steps(view: JobView) -> Axis:
    drawn = [step for step, _ in view.losses[-1:]] + [step for step, _, _ in view.evaluations[-1:]]
    return steps_axis(max([view.total_steps, *drawn]))


def _line(name: str, points: Sequence[Point], across: Axis, up: Axis, *, dots: bool = False) -> Line:
    shown = points[-MOST_MARKS:] if dots or len(points) == 1 else ()
    return Line(name, polyline(points, across, up), points[-1][1], [place(point, across, up) for point in shown])
