"""Progress is told at most twice a second, and the total only once it is known."""

import pytest

from services.trainer.stage.progress import Progress

Told = list[tuple[int, int | None]]


class Clock:
    """Stands still until it is moved."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def progress(told: Told, clock: Clock) -> Progress:
    async def tell(done: int, total: int | None) -> None:
        told.append((done, total))

    return Progress(tell, clock)


async def test_at_most_twice_a_second(progress: Progress, told: Told, clock: Clock) -> None:
    for _ in range(100):
        clock.now += 0.1
        await progress.add(1)
    assert 15 <= len(told) <= 20


async def test_the_total_is_known_when_every_source_has_said_its_length(
    progress: Progress, told: Told, clock: Clock
) -> None:
    progress.sources(2)
    for size in (10, 30):
        progress.expect(f"source of {size}", size)
        clock.now += 1
        await progress.add(5)
    assert told == [(5, None), (10, 40)]


async def test_a_source_that_is_tried_again_counts_once(progress: Progress, told: Told, clock: Clock) -> None:
    progress.sources(1)
    progress.expect("a", 10)
    await progress.add(7)
    await progress.add(-7)
    progress.expect("a", 10)
    clock.now += 1
    await progress.add(10)
    await progress.finish()
    assert told == [(7, 10), (10, 10), (10, 10)]
