"""The lengths of a dataset's rows as bars. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.events.dataset import TokenCounts
from services.ingest.pages.curve import HEIGHT, WIDTH, Axis, axis

GAP = 0.15
"""The share of a bucket that is left free between bars."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bar; `low` and `high` are lengths in tokens, both among its rows."""

    left: float
    top: float
    width: float
    height: float
    low: int
    high: int
    rows: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """Bars, the axes, and where half of the rows and 95 % of them end."""

    buckets: Sequence[Bucket]
    across: Axis
    up: Axis
    p50: float
    p95: float


def histogram(tokens: TokenCounts | None) -> Histogram | None:
    """None when the event brings no buckets, or some that do not fit together."""
    lengths = tokens.lengths if tokens else None
    if tokens is None or lengths is None or not lengths.counts or len(lengths.edges) != len(lengths.counts) + 1:
        return None
    edges = lengths.edges
    shown = edges[:: max(1, (len(edges) - 1) // 5)] if (len(edges) - 1) % 5 == 0 else (edges[0], edges[-1])
    across = Axis(edges[0], edges[-1], tuple(float(edge) for edge in shown))
    up = axis([float(rows) for rows in lengths.counts], from_zero=True)
    made = [_bucket(*given, across, up) for given in zip(edges, edges[1:], lengths.counts, strict=False)]
    p50, p95 = (round(min(max(across.place(value), 0), 1) * WIDTH, 2) for value in (tokens.p50, tokens.p95))
    return Histogram(made, across, up, p50, p95)


def _bucket(low: int, high: int, rows: int, across: Axis, up: Axis) -> Bucket:
    left, right = across.place(low) * WIDTH, across.place(high) * WIDTH
    height = up.place(rows) * HEIGHT
    free = (right - left) * GAP / 2
    return Bucket(
        round(left + free, 2),
        round(HEIGHT - height, 2),
        round(right - left - 2 * free, 2),
        round(height, 2),
        low,
        max(low, high - 1),
        rows,
    )
