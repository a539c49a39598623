"""Numbers as lines of an SVG picture: points on a plane of 100 by 40, thinned to what an eye can tell apart. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from math import ceil, floor, log10

WIDTH, HEIGHT = 100.0, 40.0
MOST = 300
SPACES = 5
LEAST = 1e-9
"""Smaller differences, in proportion, are none."""
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Axis:
    """From `low` to `high` in equal steps between round numbers; `ticks` are all of them, both ends included."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        """Where the value stands, from 0 to 1."""
        return (value - self.low) / ((self.high - self.low) or 1)


def axis(values: Sequence[float], *, from_zero: bool = False) -> Axis:
    """An axis on which all values have room, in about five steps; from zero when asked or when that costs little."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    if from_zero or 0 < low < high / 2:
        low, high = 0.0, max(high, 0.0)
    size = max(abs(low), abs(high))
    if size < LEAST:
        low, high = 0.0, 1.0
    elif high - low < size * LEAST:
        low, high = low - 0.5 * size, high + 0.5 * size
    step = _round_step((high - low) / SPACES)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    ticks = tuple(number * step for number in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], ticks)


def steps_axis(last: float) -> Axis:
    """Steps of a training, from 0 to its last, with a tick at each quarter where that is a whole number of steps."""
    spaces = next((spaces for spaces in (4, 5, 3, 2) if last >= spaces and last % spaces == 0), 1)
    return Axis(0.0, max(last, 1.0), tuple(max(last, 1.0) * number / spaces for number in range(spaces + 1)))


def place(point: Point, across: Axis, up: Axis) -> Point:
    """Where the point is drawn; y grows upwards in data and downwards in SVG."""
    return round(across.place(point[0]) * WIDTH, 2), round(HEIGHT - up.place(point[1]) * HEIGHT, 2)


def polyline(points: Sequence[Point], across: Axis, up: Axis) -> str:
    """The `points` attribute of a polyline."""
    return " ".join(f"{x:g},{y:g}" for x, y in (place(point, across, up) for point in thinned(points)))


def thinned(points: Sequence[Point], most: int = MOST) -> list[Point]:
    """At most `most` points, the first and the last among them; each stands for the mean of its neighbours."""
    if len(points) <= most:
        return list(points)
    step = (len(points) - 2) / (most - 2)
    inner = [points[1 + int(n * step) : 1 + max(int((n + 1) * step), int(n * step) + 1)] for n in range(most - 2)]
    means = [(part[len(part) // 2][0], sum(y for _, y in part) / len(part)) for part in inner if part]
    return [points[0], *means, points[-1]]


def _round_step(least: float) -> float:
    """1, 2, 2.5 or 5 times a power of ten, not below `least`."""
    power = floor(log10(least))
    steps = (digit * 10.0**exponent for exponent in count(power) for digit in (1, 2, 2.5, 5))
    return next(step for step in steps if step >= least * (1 - 1e-9))
