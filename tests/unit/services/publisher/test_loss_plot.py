"""The picture of a training: the same for the same figures, well formed, inside its frame."""

import hashlib
import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.publisher.loss_plot import loss_plot, read_history

POINTS = ((1, 4.25), (2, 3.0), (3, 2.5), (10, 0.75))


def test_golden_picture() -> None:
    """A change of these bytes changes the digest of every image: it must be meant."""
    drawn = loss_plot(POINTS, [("evaluation", 0.9)])
    assert hashlib.sha256(drawn).hexdigest() == "960229528db69737cc51d48052a9cdc275776678738e9d35ed2a72c1fced196c"
    picture = ET.fromstring(drawn)  # noqa: S314 - our own words.
    words = {element.text for element in picture.iter()}
    assert {"Training loss by step", "step 1", "step 10", "evaluation 0.90", "4.25", "0.00"} <= words


@given(
    st.lists(
        st.tuples(st.integers(0, 10**9), st.floats(-1e9, 1e9, allow_nan=False)),
        min_size=1,
        max_size=30,
        unique_by=lambda point: point[0],
    ),
    st.floats(),
)
def test_every_course_stays_inside_of_the_picture(points: list[tuple[int, float]], level: float) -> None:
    drawn = loss_plot(sorted(points), [("evaluation", level)])
    (line,) = re.findall(r'points="([^"]*)"', drawn.decode())
    places = [tuple(float(number) for number in place.split(",")) for place in line.split()]
    assert len(places) == len(points)
    assert all(0 <= x <= 640 and 0 <= y <= 320 for x, y in places)
    ET.fromstring(drawn)  # noqa: S314 - our own words.


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b'{"losses": 7}', b'{"losses": [[1]]}', b'{"losses": [[1, "NaN"]]}', b'{"losses": [["a", 1]]}'],
)
def test_what_is_no_history_gives_no_picture(raw: bytes) -> None:
    assert read_history(raw) == ()


def test_a_history_is_sorted() -> None:
    assert read_history(b'{"losses": [[3, 1.0], [1, 2]]}') == ((1, 2.0), (3, 1.0))
