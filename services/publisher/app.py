"""Wires the publisher: the adapters topic into work beside the consumer, health and metrics."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from aiokafka.errors import KafkaConnectionError
from prometheus_client import CollectorRegistry

from schemas.topics import ADAPTERS
from services.common import logs, telemetry
from services.common.health import missing_parts, serve_health
from services.common.journal import Publish
from services.common.kafka.broker import build_broker, subscribe
from services.common.kafka.connection import unreachable
from services.common.kafka.consume import Consumption
from services.common.kafka.dead_letters import DeadLetters
from services.common.kafka.producer import open_producer
from services.common.kafka.work import Work
from services.common.lifetime import Lifetime, background, run_service
from services.common.object_store import ObjectStore, open_store, prove_create_if_absent
from services.common.settings import settings_of
from services.publisher.handlers import adapters_handler
from services.publisher.metrics import Metrics
from services.publisher.packing import packing_of
from services.publisher.place import place_of
from services.publisher.publish import Publisher
from services.publisher.settings import PublisherSettings

log = structlog.get_logger()
GROUP = "lorabus-publisher"


def main() -> int:
    """Run the publisher until it is told to stop; gives the exit code."""
    settings = settings_of(PublisherSettings)
    logs.configure(settings, "publisher")
    telemetry.configure("publisher")

    @asynccontextmanager
    async def service(lifetime: Lifetime) -> AsyncIterator[None]:
        async with publisher(settings, lifetime):
            yield

    try:
        return run_service("publisher", settings, service)
    finally:
        telemetry.shutdown()


def _use_case(settings: PublisherSettings, store: ObjectStore, send: Publish, metrics: Metrics) -> Publisher:
    return Publisher(
        store,
        send,
        place_of(settings, store, metrics.edges.registry_request),
        metrics,
        packing_of(settings),
        settings.publish_retry_seconds,
    )


@asynccontextmanager
async def publisher(settings: PublisherSettings, lifetime: Lifetime) -> AsyncIterator[str]:
    """The running publisher; gives the address of its health endpoints."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    store = open_store(settings, metrics.edges.store_request)
    await prove_create_if_absent(store)
    client_id = f"lorabus-publisher-{settings.worker}"
    broker = build_broker(settings, client_id)
    work = Work(lifetime.fail, metrics.working.set)
    async with AsyncExitStack() as stack:
        producer = await stack.enter_async_context(open_producer(settings, client_id))
        use_case = _use_case(settings, store, producer.publish, metrics)
        dead_letters = DeadLetters(producer.publish, "publisher")
        consumption = Consumption(dead_letters, lifetime.fail)
        subscriber = subscribe(
            broker,
            [ADAPTERS],
            adapters_handler(consumption, use_case, work),
            group=GROUP,
            title="adapters: what is to be published",
            listener=work,
        )

        async def readiness() -> dict[str, str]:
            return await missing_parts(settings, store, subscriber, ADAPTERS)

        async def look() -> None:
            await metrics.edges.look({ADAPTERS.name: subscriber}, dead_letters)

        health = serve_health(settings.health_addr, registry, readiness, look)
        address = await stack.enter_async_context(health)
        try:
            await broker.start()
        except KafkaConnectionError as error:
            raise unreachable(settings, error) from error
        stack.push_async_callback(broker.stop)
        stack.push_async_callback(work.stop)
        await stack.enter_async_context(background("event loop", metrics.edges.watch_loop(), lifetime))
        log.info("listening", address=address, worker=settings.worker)
        yield address
