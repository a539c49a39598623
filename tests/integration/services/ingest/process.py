"""Ingest in a process of its own, which a test may kill."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp

from deploy.native.process import free_port
from services.ingest.settings import IngestSettings


async def ready(address: str) -> None:
    async with asyncio.timeout(90), aiohttp.ClientSession() as http:
        while True:
            try:
                async with http.get(f"{address}/readyz") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.05)


@contextmanager
def process(own: IngestSettings) -> "Iterator[tuple[subprocess.Popen[bytes], str]]":
    """Ingest as `lorabus serve` runs it; ended with the block."""
    address = f"127.0.0.1:{free_port()}"
    bare = {name: text for name, text in os.environ.items() if not name.startswith(("LORABUS_", "OTEL_"))}
    env = {
        **bare,
        "LORABUS_HOME": str(own.home),
        "LORABUS_KAFKA": own.kafka,
        "LORABUS_HTTP_ADDR": address,
        "LORABUS_SOURCE_ALLOW": ",".join(own.source_allow),
        "LORABUS_WEBHOOKS_FILE": str(own.webhooks_file),
        "LORABUS_WEBHOOKS_RETRY_SECONDS": str(own.webhooks_retry_seconds),
    }
    with (own.home / "ingest.log").open("ab") as log:
        started = subprocess.Popen([sys.executable, "-m", "services.ingest"], env=env, stdout=log, stderr=log)
    try:
        yield started, f"http://{address}"
    finally:
        started.kill()
        started.wait()
