"""Waiting and claiming are spans of the job's trace, and each attempt knows the claim of the one before it."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import structlog
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from structlog.testing import capture_logs

from schemas.events import State
from schemas.jobs import JobRow
from services.common.journal import now
from services.common.lifetime import Lifetime
from services.common.object_store import open_store
from services.trainer.children.pool import TrainerPool
from services.trainer.metrics import Metrics
from services.trainer.queue import JobTable
from services.trainer.run import Parts
from services.trainer.settings import TrainerSettings
from services.trainer.work import Worker

JOB = f"00-{'a' * 32}-{'b' * 16}-01"


def row(version: int) -> JobRow:
    """A job that waits for a minute and a half."""
    accepted = datetime.now(UTC) - timedelta(seconds=90)
    return JobRow(
        job_id="default.a.0123456789ab",
        state=State.PENDING,
        kaito_state="Pending",
        created_at=accepted,
        updated_at=accepted,
        traceparent=JOB,
        version=version,
    )


def a_worker(home: Path, metrics: Metrics) -> Worker:
    settings = TrainerSettings(home=home)

    async def publish(*_: object) -> None:
        """Nobody listens."""

    parts = Parts(open_store(settings), publish, cast("TrainerPool", None), settings, metrics, now)
    return Worker(parts, JobTable(random.Random(0)), Lifetime(), clock=lambda: 0.0)


def seconds(span: ReadableSpan) -> float:
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / 1e9


async def test_a_claim_tells_how_long_the_job_waited_and_the_next_one_links_to_it(
    tmp_path: Path, exporter: InMemorySpanExporter
) -> None:
    metrics = Metrics()
    first, second = a_worker(tmp_path, metrics), a_worker(tmp_path, metrics)
    first.on_row(row(1))
    lease = await first._next_lease()
    assert lease is not None
    await lease.release(retry_after=0, reason="WorkerStopped", message="")
    second.on_row(row(2))
    next_lease = await second._next_lease()
    assert next_lease is not None
    assert (lease.attempt, lease.previous, next_lease.attempt) == (1, None, 2)
    assert next_lease.previous == lease.traceparent
    wait, claim = exporter.get_finished_spans()[:2]
    assert (wait.name, claim.name) == ("job.wait", "job.claim")
    assert 90 <= seconds(wait) < 95
    assert claim.context is not None
    assert lease.traceparent == f"00-{'a' * 32}-{claim.context.span_id:016x}-01"
    for span in (wait, claim):
        assert span.parent is not None
        assert f"{span.parent.span_id:016x}" == "b" * 16
    assert metrics.registry.get_sample_value("lorabus_trainer_job_wait_seconds_count") == 1
    assert metrics.registry.get_sample_value("lorabus_trainer_claims_total", {"outcome": "won"}) == 2


async def test_the_claims_log_line_carries_the_trace_without_an_exporter(tmp_path: Path) -> None:
    worker = a_worker(tmp_path, Metrics())
    worker.on_row(row(1))
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        assert await worker._next_lease() is not None
    (claimed,) = (line for line in logs if line["event"] == "claimed")
    assert claimed["trace_id"] == "a" * 32
