"""A webhook endpoint as its owner would write it: verifies with the library of the standard, answers as a test says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook

SECRET = "whsec_" + "QUJD" * 8
Reply = Callable[[str, int], int]
"""The event's id and the number of its try give the status."""


@dataclass
class Receiver:
    """`tries` are the ids of all requests in order, `events` those that were taken, each once, in order."""

    reply: Reply = lambda _, __: 204
    tries: list[str] = field(default_factory=list)
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    slow: asyncio.Event | None = None
    url: str = ""

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        event = Webhook(SECRET).verify(body, dict(request.headers))
        event_id = request.headers["webhook-id"]
        assert event["id"] == event_id
        self.tries.append(event_id)
        if self.slow is not None:
            await self.slow.wait()
        status = self.reply(event_id, self.tries.count(event_id))
        if status < 300:
            self.events.setdefault(event_id, event)
        return web.Response(status=status)

    def of(self, job_id: str) -> list[str]:
        """The types of the job's events as they were taken."""
        mine = [event for event in self.events.values() if event["subject"] == job_id]
        return [event["type"].removeprefix("lorabus.").removesuffix(".v1") for event in mine]


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Listens on a free port."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.take)
    runner = web.AppRunner(app, shutdown_timeout=0, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}/hook"
    yield receiver
    await runner.cleanup()
