"""Work that a wish to stop cuts short."""

import asyncio

import pytest

from services.trainer.interrupt import unless


async def test_work_that_is_done_first_gives_its_result_or_its_error() -> None:
    async def fails() -> None:
        raise ValueError("why")

    assert await unless(asyncio.Event(), asyncio.sleep(0, "done")) == "done"
    with pytest.raises(ValueError, match="why"):
        await unless(asyncio.Event(), fails())


async def test_a_wish_to_stop_cancels_it_and_waits_until_it_has_cleaned_up() -> None:
    stop, cleaned = asyncio.Event(), False

    async def works() -> bool:
        nonlocal cleaned
        try:
            stop.set()
            return await asyncio.Event().wait()
        finally:
            cleaned = True

    assert await unless(stop, works()) is None
    assert cleaned


async def test_whoever_waits_for_it_can_be_cancelled_too() -> None:
    working = asyncio.Event()

    async def works() -> None:
        working.set()
        await asyncio.Event().wait()

    waiting = asyncio.create_task(unless(asyncio.Event(), works()))
    await working.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert len(asyncio.all_tasks()) == 1
