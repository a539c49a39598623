"""Wires the trainer: the jobs topic into the table, the worker beside it, health and metrics."""

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from aiokafka.errors import KafkaConnectionError

from schemas.topics import JOBS
from services.common import logs, telemetry
from services.common.errors import WorldError
from services.common.health import missing_parts, serve_health
from services.common.journal import now
from services.common.kafka.broker import build_broker, subscribe
from services.common.kafka.connection import unreachable
from services.common.kafka.consume import Consumption
from services.common.kafka.dead_letters import DeadLetters
from services.common.kafka.producer import open_producer
from services.common.lifetime import Lifetime, background, run_service
from services.common.object_store import ObjectStore, open_store, prove_create_if_absent
from services.common.registry.transport import tls_context
from services.common.settings import settings_of
from services.trainer.ahead import Ahead
from services.trainer.bad_rows import once
from services.trainer.children.pool import TrainerPool
from services.trainer.handlers import jobs_handler
from services.trainer.metrics import Metrics
from services.trainer.queue import JobTable
from services.trainer.run import Parts
from services.trainer.settings import TrainerSettings
from services.trainer.stage.sweep import sweep_uploads
from services.trainer.work import Worker

log = structlog.get_logger()


def main() -> int:
    """Run the trainer until it is told to stop; gives the exit code."""
    settings = settings_of(TrainerSettings)
    logs.configure(settings, "trainer")
    pool = TrainerPool(cpu_threads=settings.cpu_threads)
    pool.start()
    telemetry.configure("trainer")

    @asynccontextmanager
    async def service(lifetime: Lifetime) -> AsyncIterator[None]:
        async with trainer(settings, pool, lifetime):
            yield

    try:
        return run_service("trainer", settings, service)
    finally:
        pool.close()
        telemetry.shutdown()


@asynccontextmanager
async def trainer(settings: TrainerSettings, pool: TrainerPool, lifetime: Lifetime) -> AsyncIterator[None]:
    """The running trainer."""
    tls_context(settings.registry_ca_file)  # A file that cannot be used is told now, and not by a job's end.
    metrics = Metrics()
    store = open_store(settings, metrics.edges.store_request)
    await prove_create_if_absent(store)
    broker = build_broker(settings, f"lorabus-trainer-{settings.worker}")
    async with AsyncExitStack() as stack:
        producer = await stack.enter_async_context(open_producer(settings, f"lorabus-trainer-{settings.worker}"))
        table = JobTable(random.Random())  # noqa: S311 - spreads load, guards nothing.
        ahead = Ahead(settings, table)
        stack.push_async_callback(ahead.close)
        parts = Parts(store, producer.publish, pool, settings, metrics, now, ahead)
        worker = Worker(parts, table, lifetime)
        dead_letters = DeadLetters(once(store, producer.publish), "trainer")
        consumption = Consumption(dead_letters, lifetime.fail)
        subscriber = subscribe(
            broker, [JOBS], jobs_handler(consumption, worker.on_row), group=None, title="jobs: the trainers' queue"
        )

        async def readiness() -> dict[str, str]:
            return await missing_parts(settings, store, subscriber, JOBS)

        async def look() -> None:
            metrics.queue(table.counts(), table.oldest_waiting_seconds(now()))
            await metrics.edges.look({JOBS.name: subscriber}, dead_letters)

        health = serve_health(settings.health_addr, metrics.registry, readiness, look)
        address = await stack.enter_async_context(health)
        try:
            await broker.start()
        except KafkaConnectionError as error:
            raise unreachable(settings, error) from error
        stack.push_async_callback(broker.stop)
        log.info("listening", address=address, worker=settings.worker)
        await stack.enter_async_context(
            background("worker", worker.loop(), lifetime, drain_seconds=settings.grace_seconds + 5)
        )
        await stack.enter_async_context(background("event loop", metrics.edges.watch_loop(), lifetime))
        await stack.enter_async_context(background("sweep", _sweep(store), lifetime))
        yield


async def _sweep(store: ObjectStore) -> None:
    try:
        removed = await sweep_uploads(store)
    except WorldError as error:
        log.warning("abandoned uploads were not looked for", error=error.message)
        return
    if removed:
        log.info("abandoned uploads removed", files=removed)
