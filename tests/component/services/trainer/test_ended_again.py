"""A job that has ended waits again when Kafka has lost its end: the end is told once more, nobody works on it."""

import random
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from schemas.events import State
from schemas.events.job import JobCancelled
from schemas.jobs import JobRow
from services.common.ending import end_job
from services.common.journal import Journal, now
from services.common.lifetime import Lifetime
from services.common.object_store import open_store
from services.trainer.children.pool import TrainerPool
from services.trainer.claim import Lease, claim
from services.trainer.metrics import Metrics
from services.trainer.queue import JobTable
from services.trainer.run import Parts
from services.trainer.settings import TrainerSettings
from services.trainer.work import Worker

JOB = "default.a.0123456789ab"
TRACE = f"00-{'a' * 32}-{'b' * 16}-01"


async def test_a_job_that_was_handed_over_and_has_ended_is_told_again(tmp_path: Path) -> None:
    sent: list[str] = []

    async def publish(_topic: str, _key: bytes | None, _value: bytes | None, headers: list[tuple[str, bytes]]) -> None:
        sent.append(dict(headers)["ce_id"].decode())

    settings, metrics = TrainerSettings(home=tmp_path), Metrics()
    store = open_store(settings)
    assert await claim(store, JOB, 1, "first")
    await Lease(store, JOB, 1, "first", 60).hand_over()
    journal = Journal(publish, job_id=JOB, attempt=1, source="publisher", traceparent=TRACE)
    await end_job(store, journal, JOB, 1, JobCancelled)
    parts = Parts(store, publish, cast("TrainerPool", None), settings, metrics, now)
    worker = Worker(parts, JobTable(random.Random(0)), Lifetime(), clock=lambda: 0.0)
    at = datetime.now(UTC)
    worker.on_row(JobRow(job_id=JOB, state=State.PENDING, kaito_state="Pending", created_at=at, updated_at=at))

    assert await worker._next_lease() is None

    assert sent == [f"{JOB}:1:publisher:1"] * 2
    assert worker._table.counts().get("pending", 0) == 0
