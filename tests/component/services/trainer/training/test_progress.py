"""How often a training speaks, and when it says that it does not move: by a clock that the test turns."""

import pytest

from services.trainer.children.messages import ChildMessage, Progress
from services.trainer.training.progress import STALLED_FIRST_SECONDS, Speaker, Stand


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Ears:
    """The channel's place."""

    stopping = False

    def __init__(self) -> None:
        self.heard: list[Progress] = []

    def send(self, message: ChildMessage) -> None:
        assert isinstance(message, Progress)
        self.heard.append(message)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture
def speaker(clock: Clock, ears: Ears) -> Speaker:
    # Without its thread: the test reminds it when the clock has been turned.
    return Speaker(ears, 1000, clock)  # type: ignore[arg-type]


def steps(speaker: Speaker, clock: Clock, numbers: range, seconds: float) -> None:
    for step in numbers:
        clock.now += seconds
        speaker.step(Stand(step=step, epoch=step / 100, tokens=10 * step, loss=1.0))
        speaker.remind()


def test_fast_steps_are_told_once_a_second_and_the_first_and_the_last_always(
    speaker: Speaker, clock: Clock, ears: Ears
) -> None:
    speaker.begin(Stand(step=0, epoch=0, tokens=0))
    steps(speaker, clock, range(1, 1001), 0.01)
    assert (ears.heard[0].step, ears.heard[-1].step) == (1, 1000)
    assert 10 <= len(ears.heard) <= 12
    assert ears.heard[-1].tokens_per_second == pytest.approx(1000)
    assert ears.heard[5].eta_seconds == pytest.approx(0.01 * (1000 - ears.heard[5].step))


def test_a_slow_step_is_told_every_ten_seconds_and_called_stalled_by_what_steps_took(
    speaker: Speaker, clock: Clock, ears: Ears
) -> None:
    speaker.begin(Stand(step=0, epoch=0, tokens=0))
    steps(speaker, clock, range(1, 4), 8.0)
    del ears.heard[:]
    for _ in range(120):
        clock.now += 1.0
        speaker.remind()
    assert len(ears.heard) == 12
    assert {progress.step for progress in ears.heard} == {3}
    assert [progress.stalled for progress in ears.heard] == [*[False] * 8, *[True] * 4]
    steps(speaker, clock, range(4, 5), 1.0)
    assert not ears.heard[-1].stalled


def test_a_first_step_that_never_ends_is_told_too(speaker: Speaker, clock: Clock, ears: Ears) -> None:
    speaker.begin(Stand(step=7, epoch=0.07, tokens=70))
    clock.now += STALLED_FIRST_SECONDS
    speaker.remind()
    clock.now += 10.0
    speaker.remind()
    assert [(told.step, told.stalled, told.eta_seconds) for told in ears.heard] == [(7, False, None), (7, True, None)]


def test_what_was_changed_on_the_way_is_said_once(speaker: Speaker, clock: Clock, ears: Ears) -> None:
    speaker.begin(Stand(step=0, epoch=0, tokens=0))
    speaker.remark("half the tokens")
    steps(speaker, clock, range(1, 3), 2.0)
    assert [told.notes for told in ears.heard] == [("half the tokens",), ()]


def test_an_evaluation_takes_time_and_no_speed(speaker: Speaker, clock: Clock, ears: Ears) -> None:
    speaker.begin(Stand(step=0, epoch=0, tokens=0))
    steps(speaker, clock, range(1, 6), 1.0)
    with speaker.aside():
        clock.now += 12
        speaker.remind()
    assert ears.heard[-1].tokens_per_second == pytest.approx(10)
    steps(speaker, clock, range(6, 8), 1.0)
    assert [progress.tokens_per_second for progress in ears.heard[-2:]] == pytest.approx([10, 10])
    assert ears.heard[-1].eta_seconds == pytest.approx((1000 - 7) * (12 + 2) / 2)
