"""A job's stages as bars on one time axis. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.ingest.pages.view import Stage


@dataclass(frozen=True, slots=True)
class Bar:
    """`left` and `width` are per cent of the axis."""

    name: str
    attempt: int
    left: float
    width: float
    took: str
    running: bool


def bars(stages: Sequence[Stage], now: datetime) -> list[Bar]:
    """Draw what has ended and, up to `now`, what goes on."""
    if not stages:
        return []
    start = stages[0].start
    end = max((stage.end or now) for stage in stages)
    whole = max((end - start).total_seconds(), 0.001)
    return [_bar(stage, start, whole, max(now, stage.start)) for stage in stages]


def duration(took: timedelta) -> str:
    """A length of time in the two units that matter."""
    seconds = took.total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _bar(stage: Stage, start: datetime, whole: float, now: datetime) -> Bar:
    end = stage.end or now
    left = (stage.start - start).total_seconds() / whole * 100
    width = max((end - stage.start).total_seconds() / whole * 100, 0.3)
    return Bar(
        stage.name, stage.attempt, round(left, 2), round(width, 2), duration(end - stage.start), stage.end is None
    )
