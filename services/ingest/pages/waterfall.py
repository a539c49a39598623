"""A job's stages as bars on one time axis. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.ingest.pages.view import Stage


@dataclass(frozen=True, slots=True)
class Bar:
    """`left` and `width` are per cent of the axis; `first` is true for the first bar of an attempt."""

    name: str
    attempt: int
    left: float
    width: float
    took: str
    running: bool
    note: str = ""
    first: bool = False


def bars(stages: Sequence[Stage], now: datetime) -> list[Bar]:
    """Draw what has ended and, up to `now`, what goes on."""
    if not stages:
        return []
    start, whole = stages[0].start, max(span(stages, now).total_seconds(), 0.001)
    before = [0, *(stage.attempt for stage in stages)]
    return [
        _bar(stage, start, whole, max(now, stage.start), first=stage.attempt != last)
        for stage, last in zip(stages, before, strict=False)
    ]


def span(stages: Sequence[Stage], now: datetime) -> timedelta:
    """From the first stage's start to the last one's end."""
    return max((stage.end or max(now, stage.start)) for stage in stages) - stages[0].start if stages else timedelta()


def duration(took: timedelta) -> str:
    """A length of time in the two units that matter."""
    seconds = took.total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _bar(stage: Stage, start: datetime, whole: float, now: datetime, *, first: bool) -> Bar:
    end = stage.end or now
    width = max((end - stage.start).total_seconds() / whole * 100, 0.4)
    left = min((stage.start - start).total_seconds() / whole * 100, 100 - width)
    took = duration(end - stage.start)
    running = stage.end is None
    return Bar(stage.name, stage.attempt, round(left, 2), round(width, 2), took, running, stage.note, first)
