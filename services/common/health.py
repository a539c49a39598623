"""`/healthz`, `/readyz` and `/metrics` of a service that has no HTTP of its own (trainer, publisher)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import time
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from schemas.topics import Topic
from services.common.errors import StartError, WorldError
from services.common.metrics import SILENT_SECONDS, last_fetches
from services.common.object_store import ObjectStore
from services.common.settings import Settings

Readiness = Callable[[], Awaitable[dict[str, str]]]
"""Gives what is not ready, by part; an empty dict means ready."""


@asynccontextmanager
async def serve_health(
    address: str, registry: CollectorRegistry, readiness: Readiness, look: Callable[[], Awaitable[None]]
) -> AsyncIterator[str]:
    """Serve at `host:port` (port 0 takes a free one) and give the address in use.

    `look` is awaited before metrics are shown: it looks up what is not counted as it happens.
    """
    app = web.Application()

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(_: web.Request) -> web.Response:
        missing = await readiness()
        return web.json_response(
            {"status": "waiting" if missing else "ready", "missing": missing}, status=503 if missing else 200
        )

    async def metrics(_: web.Request) -> web.Response:
        await look()
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    host, _, port = address.rpartition(":")
    site = web.TCPSite(runner, host.strip("[]"), int(port))
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        raise StartError(f"LORABUS_HEALTH_ADDR {address} cannot be listened on: {error.strerror}") from error
    try:
        bound = runner.addresses[0]
        yield f"{bound[0]}:{bound[1]}"
    finally:
        await runner.cleanup()


async def missing_parts(settings: Settings, store: ObjectStore, subscriber: Any, topic: Topic) -> dict[str, str]:
    """Tell what a consuming service lacks: partitions of its topic, or its store. `subscriber` is FastStream's."""
    missing: dict[str, str] = {}
    consumer = subscriber.consumer
    if consumer is None or not consumer.assignment():
        missing["kafka"] = f"no partitions of {topic.name} from {settings.kafka} yet"
    elif (answered := last_fetches({topic.name: subscriber})[topic.name]) and time() - answered > SILENT_SECONDS:
        missing["kafka"] = f"{settings.kafka} has not answered for {time() - answered:.0f} s"
    try:
        await store.exists("probes/ready")
    except WorldError as error:
        missing["store"] = error.message
    return missing
