"""Puts ingest together: the one file that wires."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial

import structlog
import uvloop
from aiokafka.errors import KafkaConnectionError

from schemas.admission.surroundings import Surroundings
from schemas.topics import COMMANDS, EVENTS, JOBS, REQUESTS
from services.common import logs, telemetry
from services.common.journal import now
from services.common.kafka.broker import build_broker, subscribe
from services.common.kafka.connection import unreachable
from services.common.kafka.consume import Consumption
from services.common.kafka.dead_letters import DeadLetters
from services.common.kafka.producer import Producer, open_producer
from services.common.kafka.work import Work
from services.common.lifetime import Lifetime, background, run_service
from services.common.object_store import ObjectStore, open_store, prove_create_if_absent
from services.common.settings import settings_of
from services.ingest import config_maps, handlers, secrets
from services.ingest.accept import Acceptance
from services.ingest.cancel import Cancellation
from services.ingest.consumers import Consumers
from services.ingest.follow import Following
from services.ingest.handlers import Membership
from services.ingest.http import build_app
from services.ingest.http_guard import read_tokens
from services.ingest.http_jobs import Jobs
from services.ingest.http_server import serve
from services.ingest.idempotency import Idempotency
from services.ingest.kafka_log import LogReader, open_log_reader
from services.ingest.metrics import Metrics
from services.ingest.pages.links import Links
from services.ingest.project import Projector
from services.ingest.read_model import ReadModel, open_read_model
from services.ingest.settings import IngestSettings, is_loopback
from services.ingest.tell import Teller
from services.ingest.webhooks.endpoints import read_endpoints
from services.ingest.webhooks.running import delivering

log = structlog.get_logger()
GROUP = "lorabus.ingest"
AT_ONCE = 256
DRAIN_SECONDS = 5.0
SWITCH_SECONDS = 0.0005
SECONDS_BETWEEN = 0.1
COMMIT_SECONDS = 0.1


def main() -> int:
    """Run ingest until it is told to stop; gives the exit code."""
    settings = settings_of(IngestSettings)
    logs.configure(settings, "ingest")
    telemetry.configure("ingest")

    def service(lifetime: Lifetime) -> AbstractAsyncContextManager[None]:
        return running(settings, lifetime)

    try:
        # The store's and the read model's threads hand each answer to the loop's: they may not wait 5 ms for it.
        sys.setswitchinterval(SWITCH_SECONDS)
        return run_service("ingest", settings, service, uvloop.new_event_loop)
    finally:
        telemetry.shutdown()


@asynccontextmanager
async def running(settings: IngestSettings, lifetime: Lifetime) -> AsyncIterator[None]:
    """Ingest as a process runs it."""
    async with ingest(settings, lifetime) as address:
        log.info("listening", address=f"http://{address}")
        yield


@asynccontextmanager
async def ingest(settings: IngestSettings, lifetime: Lifetime) -> AsyncIterator[str]:
    """The running service; gives the address that HTTP is served at."""
    tokens, endpoints = read_tokens(settings), read_endpoints(settings)
    metrics = Metrics()
    store = open_store(settings, metrics.edges.store_request)
    await prove_create_if_absent(store)
    async with AsyncExitStack() as stack:
        log_reader = await stack.enter_async_context(open_log_reader(settings))
        producer = await stack.enter_async_context(open_producer(settings, f"lorabus-ingest-{settings.worker}"))
        model = await stack.enter_async_context(open_read_model(settings.read_model_folder, await log_reader.look()))
        jobs = use_cases(settings, store, producer, model, metrics)
        consumers = await stack.enter_async_context(consuming(settings, jobs, producer, log_reader, metrics, lifetime))
        await stack.enter_async_context(background("event loop", metrics.edges.watch_loop(), lifetime))
        await stack.enter_async_context(delivering(settings, endpoints, metrics.webhooks, lifetime))
        host, port = settings.http_host_and_port()
        links = Links(settings.trace_url, settings.log_url, settings.home / "logs")
        app = build_app(jobs, consumers, metrics, tokens=tokens, loopback=is_loopback(host), links=links)
        yield await stack.enter_async_context(serve(app, host, port))


def use_cases(
    settings: IngestSettings, store: ObjectStore, producer: Producer, model: ReadModel, metrics: Metrics
) -> Jobs:
    """What Kafka's handlers and HTTP's routes both call."""
    tell = Teller(producer)
    surroundings = Surroundings(
        find_config_map=config_maps.find_in(settings.configmaps_dir),
        secret_exists=secrets.exists_in(settings.secrets_dir),
        node_auto_provisioning=settings.node_auto_provisioning,
        source_allow=settings.source_allow,
    )
    acceptance = Acceptance(store, surroundings, tell, now, metrics.answered)
    return Jobs(acceptance, Cancellation(store, tell, now), Idempotency(store), model)


@asynccontextmanager
async def consuming(
    settings: IngestSettings,
    jobs: Jobs,
    producer: Producer,
    log_reader: LogReader,
    metrics: Metrics,
    lifetime: Lifetime,
) -> AsyncIterator[Consumers]:
    """Every subscription of ingest, running."""
    broker = build_broker(settings, f"lorabus-ingest-{settings.worker}")
    into_model = handlers.into_read_model(jobs.model, lifetime.fail)
    title = "read model: ingest"
    reader = subscribe(broker, [JOBS, EVENTS], into_model, group=None, title=title, seconds_between=SECONDS_BETWEEN)
    following = Following(jobs.model, log_reader, reader)
    projector = Projector(producer, jobs.model.rows, following.catch_up_rows, metrics.ended)
    work = partial(Work, lifetime.fail, at_once=AT_ONCE, drain_seconds=DRAIN_SECONDS, commit_seconds=COMMIT_SECONDS)
    asked, commanded = work(), work()
    memberships = {
        REQUESTS.name: Membership(after=asked.on_partitions_assigned),
        COMMANDS.name: Membership(after=commanded.on_partitions_assigned),
        EVENTS.name: Membership(projector.forget),
    }
    dead_letters = DeadLetters(
        producer.publish,
        "ingest",
        max_share=settings.dead_letter_share,
        at_least=settings.dead_letter_minimum,
    )
    consumption = Consumption(dead_letters, lifetime.fail, contained=True)
    subscribers = {}
    for topic, handler, role, seconds in (
        (REQUESTS, handlers.on_requests(consumption, asked, jobs.acceptance), "requests", 0.0),
        (COMMANDS, handlers.on_commands(consumption, commanded, jobs.cancellation), "commands", 0.0),
        (EVENTS, handlers.on_events(consumption, projector), "projector", SECONDS_BETWEEN),
    ):
        subscribers[topic.name] = subscribe(
            broker,
            [topic],
            handler,
            group=f"{GROUP}.{role}",
            title=f"{role}: ingest",
            listener=memberships[topic.name],
            seconds_between=seconds,
        )
    try:
        await broker.start()
    except KafkaConnectionError as error:
        raise unreachable(settings, error) from error
    try:
        following.resume()
        async with background("read model", following.catch_up_with(await log_reader.look()), lifetime):
            yield Consumers(subscribers, memberships, following, dead_letters, jobs.acceptance.store)
    finally:
        await asyncio.gather(asked.stop(), commanded.stop())
        await broker.stop()
