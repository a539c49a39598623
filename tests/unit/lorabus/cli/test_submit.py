"""What `lorabus submit` says of a spec that is known already."""

from datetime import UTC, datetime, timedelta

from lorabus.cli.submit import known_before
from lorabus.events import Event

ASKED = datetime(2026, 11, 23, 12, tzinfo=UTC)


def accepted(time: datetime) -> Event:
    return Event("id", "job.accepted", time, {"jobId": "default.a.0123456789ab"})


def test_the_same_spec_again_is_said_to_do_nothing() -> None:
    told = known_before(accepted(ASKED - timedelta(minutes=1)), ASKED)
    assert told is not None
    assert "default.a.0123456789ab: known since 2026-11-23" in told
    assert "--rerun" in told


def test_a_new_job_is_new_also_by_a_clock_that_is_behind() -> None:
    assert known_before(accepted(ASKED - timedelta(seconds=2)), ASKED) is None
    assert known_before(accepted(ASKED + timedelta(hours=1)), ASKED) is None
