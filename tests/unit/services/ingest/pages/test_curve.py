"""Lines on a plane: round numbers on the axes, the ends kept, and no more points than an eye can tell apart."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.pages.curve import HEIGHT, MOST, WIDTH, axis, polyline, steps_axis, thinned

FIGURES = st.floats(-1e15, 1e15, allow_nan=False)


def test_a_curve_keeps_its_ends_and_stays_small() -> None:
    points = [(float(n), float(n % 7)) for n in range(10_000)]
    thin = thinned(points)
    assert len(thin) <= MOST
    assert (thin[0], thin[-1]) == (points[0], points[-1])
    assert [x for x, _ in thin] == sorted(x for x, _ in thin)


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.4, 4.3], (0, 1, 2, 3, 4, 5)),
        ([2.1, 2.35], (2.1, 2.15, 2.2, 2.25, 2.3, 2.35)),
        ([120.0], (50, 75, 100, 125, 150, 175, 200)),
        ([0.0], (0, 0.2, 0.4, 0.6, 0.8, 1)),
        ([], (0, 0.2, 0.4, 0.6, 0.8, 1)),
    ],
)
def test_an_axis_has_round_numbers_around_its_values(values: list[float], ticks: tuple[float, ...]) -> None:
    assert axis(values).ticks == pytest.approx(ticks)


@given(st.lists(FIGURES, min_size=1), st.booleans())
def test_all_values_have_room_on_their_axis(values: list[float], from_zero: bool) -> None:
    made = axis(values, from_zero=from_zero)
    assert all(-1e-6 <= made.place(value) <= 1 + 1e-6 for value in values if value >= 0 or not from_zero)
    assert 2 <= len(made.ticks) <= 8
    assert all(low < high for low, high in pairwise(made.ticks))


@pytest.mark.parametrize(
    ("last", "ticks"), [(60, (0, 15, 30, 45, 60)), (50, (0, 10, 20, 30, 40, 50)), (7, (0, 7)), (0, (0, 1))]
)
def test_steps_are_whole_numbers(last: float, ticks: tuple[float, ...]) -> None:
    assert steps_axis(last).ticks == ticks


def test_a_line_grows_upwards() -> None:
    across, up = steps_axis(4), axis([0.0, 4.0])
    assert polyline([(0.0, 4.0), (4.0, 2.0)], across, up) == f"0,0 {WIDTH:g},{HEIGHT / 2:g}"
    assert polyline([], across, up) == ""
