"""Numbers as an SVG picture: points on a plane of 100 by 40, thinned to what an eye can tell apart. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 100.0, 40.0
MOST = 300
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Scale:
    """From data to the plane; y grows upwards in data and downwards in SVG."""

    low: Point
    high: Point

    def place(self, point: Point) -> Point:
        """Where the point is drawn."""
        across = (point[0] - self.low[0]) / ((self.high[0] - self.low[0]) or 1)
        up = (point[1] - self.low[1]) / ((self.high[1] - self.low[1]) or 1)
        return across * WIDTH, HEIGHT - up * HEIGHT


def scale_of(*series: Sequence[Point]) -> Scale:
    """One scale for all series; y begins at zero."""
    points = [point for one in series for point in one] or [(0.0, 0.0)]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return Scale((min(xs), 0.0), (max(xs), max(*ys, 0.0)))


def polyline(points: Sequence[Point], scale: Scale) -> str:
    """The `points` attribute of a polyline."""
    placed = (scale.place(point) for point in thinned(points))
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in placed)


def thinned(points: Sequence[Point], most: int = MOST) -> list[Point]:
    """At most `most` points, the first and the last among them; each stands for the mean of its neighbours."""
    if len(points) <= most:
        return list(points)
    step = (len(points) - 2) / (most - 2)
    inner = [points[1 + int(n * step) : 1 + max(int((n + 1) * step), int(n * step) + 1)] for n in range(most - 2)]
    means = [(part[len(part) // 2][0], sum(y for _, y in part) / len(part)) for part in inner if part]
    return [points[0], *means, points[-1]]
