"""No offset is committed past work that is not done."""

from hypothesis import given
from hypothesis import strategies as st

from services.common.kafka.offsets import OffsetTracker


def test_a_slow_record_holds_the_offset_back() -> None:
    tracker = OffsetTracker()
    for offset in (5, 6, 7):
        tracker.start(offset)
    assert tracker.done(6) == 5
    assert tracker.done(5) == 7
    assert tracker.done(7) == 8


@given(st.permutations(range(20)))
def test_the_commit_never_passes_unfinished_work(order: list[int]) -> None:
    tracker = OffsetTracker()
    for offset in range(20):
        tracker.start(offset)
    left = set(range(20))
    for offset in order:
        left.discard(offset)
        assert tracker.done(offset) == min(left, default=20)
