"""What is tokenised once is never tokenised again: by a second job, a second attempt, or the trainer that comes next.

The trainer's own loop with real processes, a file store, and a stand-in for Kafka and ingest. Runs of the checking
process are counted; one that the trainer prepares ahead runs in a process of its own and is no part of the count.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from schemas.events import State
from services.common.journal import now
from services.common.lifetime import Lifetime
from services.trainer.ahead import Ahead
from services.trainer.children.child_process import Forkserver
from services.trainer.children.confinement import Confinement
from services.trainer.children.pool import TrainerPool
from services.trainer.metrics import Metrics
from services.trainer.queue import JobTable
from services.trainer.run import Parts
from services.trainer.work import Worker

from .waiting import Waiting, waiting

PACKED = {"packing": True, "max_length": 64, "per_device_train_batch_size": 1, "learning_rate": 1e-3}
Trainer = Callable[..., AbstractAsyncContextManager[None]]


@pytest.fixture
def place(tmp_path: Path) -> Waiting:
    return waiting(tmp_path, lease_seconds=6, retry_seconds=0)


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one with each run of the checking process."""
    runs: list[str] = []
    ask = Forkserver.ask

    async def counted(
        self: Forkserver, target: str, arguments: Mapping[str, object], log: Path, allowed: Confinement
    ) -> tuple[bytes, int]:
        runs.append(target)
        return await ask(self, target, arguments, log, allowed)

    monkeypatch.setattr(Forkserver, "ask", counted)
    return runs


@pytest.fixture
def trainer(pool: TrainerPool, place: Waiting) -> Trainer:
    @asynccontextmanager
    async def run(**settings: object) -> AsyncIterator[None]:
        changed = place.settings.model_copy(update=settings)
        table = JobTable(random.Random(1))
        ahead = Ahead(changed, table)
        lifetime = Lifetime()
        worker = Worker(Parts(place.store, place.publish, pool, changed, Metrics(), now, ahead), table, lifetime)
        place.on_row = worker.on_row
        for row in place.rows.values():
            worker.on_row(row)
        loop = asyncio.create_task(worker.loop())
        try:
            yield
        finally:
            lifetime.stop()
            await loop
            await ahead.close()

    return run


async def test_other_jobs_and_second_attempts_find_tokens_and_packs(
    place: Waiting, trainer: Trainer, checked: list[str]
) -> None:
    source = place.rows_of("rows")
    async with trainer(prepare_ahead=False):
        first = await place.job("first", source, TrainingArguments={**PACKED, "max_steps": 2})
        await place.until(lambda: place.state(first) is State.PUBLISHING)
        assert len(checked) == 1
        second = await place.job("second", source, TrainingArguments={**PACKED, "max_steps": 100_000})
        await place.until(lambda: "training.progress" in place.told.get(second, {}))
    # The trainer has stopped in the middle and given the job back; another one takes it up.
    assert place.state(second) is State.PENDING
    place.told[second].clear()
    async with trainer(worker="next", prepare_ahead=False):
        await place.until(lambda: "training.progress" in place.told[second])
        assert place.rows[second].attempt == 2
    assert len(checked) == 1
    facts = place.told[second]["dataset.checked"]
    assert (facts["reused"], place.told[second]["dataset.staged"]["reused"]) == (True, True)
    assert facts["tokens"] == place.told[first]["dataset.checked"]["tokens"]


async def test_the_next_jobs_data_is_ready_when_the_current_one_ends(
    place: Waiting, trainer: Trainer, checked: list[str]
) -> None:
    current = await place.job("current", place.rows_of("one"), TrainingArguments={**PACKED, "max_steps": 100_000})
    async with trainer():
        await place.until(lambda: "training.started" in place.told.get(current, {}))
        following = await place.job("following", place.rows_of("two"), TrainingArguments={**PACKED, "max_steps": 1})
        async with asyncio.timeout(60):
            while not [key for key in await place.store.list("tokens/") if key.endswith("facts.json")][1:]:
                await asyncio.sleep(0.1)
        assert place.state(following) is State.PENDING
        await place.cancel(current)
        await place.until(lambda: place.state(following) is State.PUBLISHING)
    assert place.state(current) is State.CANCELLED
    assert len(checked) == 1
    assert place.told[following]["dataset.staged"]["reused"] is True
    assert place.told[following]["dataset.checked"]["reused"] is True
