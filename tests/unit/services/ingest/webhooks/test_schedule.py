"""When a failed delivery is tried again: later each time, never after its time, as late as the endpoint asks."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.webhooks.schedule import LONGEST_WAIT, Schedule, seconds_of

DAY = 24 * 3600.0
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SCHEDULE = Schedule(5.0, 3 * DAY)
BEYOND = [f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT", f"Mon, 01 Jan 2024 00:00:00 +{'9' * 14}"]
chances = st.floats(0, 1, exclude_max=True)


def test_it_waits_three_times_as_long_each_time_up_to_an_hour() -> None:
    waits = [SCHEDULE.wait(failures, age=0) for failures in range(1, 9)]
    assert waits == pytest.approx([5, 15, 45, 135, 405, 1215, 3600, 3600])


@given(st.integers(1, 10**9), st.floats(0, 4 * DAY), st.none() | st.floats(0, 10 * DAY), chances)
def test_a_wait_is_positive_and_never_reaches_past_the_end(
    failures: int, age: float, retry_after: float | None, chance: float
) -> None:
    wait = SCHEDULE.wait(failures, age=age, retry_after=retry_after, chance=chance)
    if age >= 3 * DAY:
        assert wait is None
    else:
        assert wait is not None
        assert 0 < wait <= 3 * DAY - age


@given(st.integers(1, 10**6), chances)
def test_those_who_failed_together_come_back_spread(failures: int, chance: float) -> None:
    middle, wait = SCHEDULE.wait(failures, age=0), SCHEDULE.wait(failures, age=0, chance=chance)
    assert middle is not None
    assert wait is not None
    assert 0.8 * middle - 1e-6 <= wait <= 1.2 * middle + 1e-6
    assert wait <= 1.2 * LONGEST_WAIT


@given(st.integers(1, 100), st.floats(0, DAY), chances)
def test_an_endpoint_is_left_alone_as_long_as_it_asks(failures: int, retry_after: float, chance: float) -> None:
    wait = SCHEDULE.wait(failures, age=0, retry_after=retry_after, chance=chance)
    assert wait is not None
    assert wait >= retry_after


def test_retry_after_is_read_in_both_forms() -> None:
    assert seconds_of("120", NOW) == 120
    assert seconds_of(format_datetime(NOW + timedelta(minutes=2), usegmt=True), NOW) == 120
    assert seconds_of(format_datetime(NOW - timedelta(minutes=2), usegmt=True), NOW) == 0


@given(st.text(max_size=60) | st.sampled_from(["-1", "1e9", "9" * 400, "Wed, 99 Xyz 2026 00:00:00 GMT", *BEYOND]))
def test_any_retry_after_is_a_wait_or_nothing(text: str) -> None:
    found = seconds_of(text, NOW)
    assert found is None or found >= 0


def test_no_retry_after_is_nothing() -> None:
    assert seconds_of(None, NOW) is None
