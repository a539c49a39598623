"""A part that dies is started again, later each time, and never more than three times a minute."""

from lorabus.keeping import PER_MINUTE, Restarts


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_death_is_told_once_and_the_start_comes_after_the_pause() -> None:
    clock = Clock()
    restarts = Restarts(clock)

    pause = restarts.died("trainer")
    assert pause == 0.5
    assert restarts.died("trainer") is None
    assert restarts.ready() == []

    clock.now += pause
    assert restarts.ready() == ["trainer"]
    assert restarts.ready() == []


def test_pauses_grow_and_a_fourth_start_waits_for_the_minute_to_pass() -> None:
    clock = Clock()
    restarts = Restarts(clock)
    pauses, starts = [], []
    for _ in range(PER_MINUTE + 1):
        pause = restarts.died("trainer")
        assert pause is not None
        pauses.append(pause)
        clock.now += pause
        assert restarts.ready() == ["trainer"]
        starts.append(clock.now)

    assert pauses[:PER_MINUTE] == [0.5, 1.0, 2.0]
    assert starts[PER_MINUTE] - starts[0] >= 60


def test_after_a_quiet_minute_the_pauses_are_short_again() -> None:
    clock = Clock()
    restarts = Restarts(clock)
    restarts.died("ingest")
    clock.now += 1
    restarts.ready()

    clock.now += 61
    assert restarts.died("ingest") == 0.5


def test_parts_do_not_wait_for_each_other() -> None:
    clock = Clock()
    restarts = Restarts(clock)
    restarts.died("ingest")
    restarts.died("trainer")

    clock.now += 1
    assert sorted(restarts.ready()) == ["ingest", "trainer"]
