"""Exactly one trainer owns a job: claims race, heartbeats keep, silence is taken over, a higher number stops the owner.

Run on a local folder, the store of the embedded profile, with a clock that the test moves.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas import store_keys
from schemas.records import CancelRecord, Heartbeat, as_json
from services.common.object_store import ObjectStore, open_store
from services.common.settings import Settings
from services.trainer.claim import Free, Lease, Watch, claim, latest_attempt

JOB = "default.a.0123456789ab"
LEASE = 60.0
_NO_BEAT = as_json(Heartbeat(worker="", beat=0))


class Clock:
    """Monotonic seconds that only the test moves."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(Settings(home=tmp_path))


@asynccontextmanager
async def keeping(lease: Lease) -> AsyncIterator[None]:
    task = asyncio.create_task(lease.keep())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def first_beat(store: ObjectStore, attempt: int) -> None:
    async with asyncio.timeout(5):
        while await store.get(store_keys.heartbeat(JOB, attempt)) is None:
            await asyncio.sleep(0)


async def test_of_many_trainers_one_wins(store: ObjectStore) -> None:
    outcomes = await asyncio.gather(*(claim(store, JOB, 1, f"w{number}") for number in range(50)))
    assert outcomes.count(True) == 1


async def test_a_silent_owner_is_taken_over_after_a_whole_lease_of_watching(store: ObjectStore) -> None:
    clock = Clock()
    watch = Watch(store, LEASE, clock)
    assert await watch.look(JOB) == Free(1, None)
    await claim(store, JOB, 1, "w1")
    assert await watch.look(JOB) is None
    clock.at = LEASE - 0.1
    assert await watch.look(JOB) is None
    clock.at = LEASE
    assert await watch.look(JOB) == Free(2, None)


async def test_every_heartbeat_starts_the_wait_anew(store: ObjectStore) -> None:
    clock = Clock()
    watch = Watch(store, LEASE, clock)
    await claim(store, JOB, 1, "w1")
    for beat in range(1, 4):
        await store.put(store_keys.heartbeat(JOB, 1), as_json(Heartbeat(worker="w1", beat=beat)))
        clock.at += LEASE - 1
        assert await watch.look(JOB) is None


async def test_a_released_job_is_free_after_its_pause(store: ObjectStore) -> None:
    clock = Clock()
    watch = Watch(store, LEASE, clock)
    await claim(store, JOB, 1, "w1")
    await Lease(store, JOB, 1, "w1", LEASE, clock).release(retry_after=5, reason="SourceUnavailable", message="503")
    assert await watch.look(JOB) is None
    clock.at = 5.0
    free = await watch.look(JOB)
    assert free is not None
    assert free.attempt == 2
    assert free.last is not None
    assert free.last.reason == "SourceUnavailable"


async def test_a_handed_over_job_is_nobodys(store: ObjectStore) -> None:
    clock = Clock()
    watch = Watch(store, LEASE, clock)
    await claim(store, JOB, 1, "w1")
    await Lease(store, JOB, 1, "w1", LEASE, clock).hand_over()
    clock.at = 10 * LEASE
    await watch.look(JOB)
    clock.at = 20 * LEASE
    assert await watch.look(JOB) is None


class SlowStore(ObjectStore):
    """Holds the second heartbeat back, as a congested network does."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store.backend, store.address)
        self.beats = 0
        self.held, self.go = asyncio.Event(), asyncio.Event()

    async def put(self, key: str, data: bytes) -> None:
        self.beats += 1
        if self.beats == 2:
            self.held.set()
            await self.go.wait()
        await super().put(key, data)


@pytest.mark.parametrize("how", ["released", "handed_over"])
async def test_no_heartbeat_follows_the_last_word(store: ObjectStore, how: str) -> None:
    slow = SlowStore(store)
    lease = Lease(slow, JOB, 1, "w1", LEASE)
    task = asyncio.create_task(lease.keep())
    async with asyncio.timeout(5):
        await first_beat(store, 1)
        lease.look_now()
        await slow.held.wait()
        giving = lease.hand_over() if how == "handed_over" else lease.release(retry_after=0, reason="r", message="m")
        ending = asyncio.create_task(giving)
        await asyncio.sleep(0)
        slow.go.set()
        await ending
        await task
    raw = await store.get(store_keys.heartbeat(JOB, 1))
    assert getattr(Heartbeat.model_validate_json(raw or b""), how)
    assert slow.beats == 3


async def test_an_owner_that_sees_a_higher_number_stops(store: ObjectStore) -> None:
    await claim(store, JOB, 1, "w1")
    await claim(store, JOB, 2, "w2")
    lease = Lease(store, JOB, 1, "w1", LEASE)
    async with keeping(lease), asyncio.timeout(5):
        await lease.lost.wait()
    assert await store.get(store_keys.heartbeat(JOB, 1)) is None


async def test_an_owner_whose_store_is_gone_stops_before_others_take_over(tmp_path: Path) -> None:
    clock = Clock()
    store = open_store(Settings(home=tmp_path))
    lease = Lease(store, JOB, 1, "w1", LEASE, clock)
    async with keeping(lease), asyncio.timeout(5):
        await first_beat(store, 1)
        store.backend = open_store(Settings(home=tmp_path / "gone")).backend
        (tmp_path / "gone" / "store").rmdir()
        (tmp_path / "gone" / "store").write_text("a file where the folder was")
        clock.at = LEASE * 2 / 3
        lease.look_now()
        await lease.lost.wait()


async def test_a_cancel_is_seen_at_once_when_the_row_says_so(store: ObjectStore) -> None:
    await claim(store, JOB, 1, "w1")
    lease = Lease(store, JOB, 1, "w1", LEASE)
    async with keeping(lease), asyncio.timeout(5):
        await first_beat(store, 1)
        asked = CancelRecord(requested_by="me", requested_at=datetime(2026, 1, 1, tzinfo=UTC))
        await store.put(store_keys.cancel(JOB), as_json(asked))
        lease.look_now()
        await lease.cancelled.wait()


async def test_a_cancel_that_cannot_be_looked_for_holds_up_no_heartbeat(store: ObjectStore) -> None:
    class Silent(ObjectStore):
        async def exists(self, key: str) -> bool:
            if key == store_keys.cancel(JOB):
                await asyncio.Event().wait()
            return await super().exists(key)

    await claim(store, JOB, 1, "w1")
    lease = Lease(Silent(store.backend, store.address), JOB, 1, "w1", 0.03, Clock())
    async with keeping(lease), asyncio.timeout(5):
        while Heartbeat.model_validate_json(await store.get(store_keys.heartbeat(JOB, 1)) or _NO_BEAT).beat < 3:
            await asyncio.sleep(0)


async def test_strangers_in_the_attempts_folder_are_no_attempts(store: ObjectStore) -> None:
    await claim(store, JOB, 1, "w1")
    await store.put(f"{store_keys.attempts(JOB)}notes.json", b"{}")
    await store.put(store_keys.heartbeat(JOB, 7), b"{}")
    assert await latest_attempt(store, JOB) == 1


async def test_the_next_attempt_knows_the_span_of_the_claim_before(store: ObjectStore) -> None:
    clock, span = Clock(), f"00-{'a' * 32}-{'b' * 16}-01"
    await claim(store, JOB, 1, "w1")
    lease = Lease(store, JOB, 1, "w1", LEASE, clock, traceparent=span)
    await lease.release(retry_after=0, reason="WorkerStopped", message="")
    free = await Watch(store, LEASE, clock).look(JOB)
    assert free is not None
    assert free.last is not None
    assert (free.attempt, free.last.traceparent) == (2, span)
