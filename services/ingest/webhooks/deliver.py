"""One event to one endpoint, tried until it is taken, given up, or the endpoint says that it is gone."""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress

import structlog
from opentelemetry.trace import SpanKind

from services.common import telemetry
from services.ingest.webhooks.endpoints import Endpoint
from services.ingest.webhooks.message import Message
from services.ingest.webhooks.post import AT_ONCE, GONE, Answer, Post
from services.ingest.webhooks.schedule import Schedule

log = structlog.get_logger()
Note = Callable[[str, str], None]
"""Told of each try: the endpoint's name, and delivered, failed, given_up or gone."""


class Deliveries:
    """The deliveries to one endpoint. Once it has answered 410 nothing is sent to it until ingest starts again."""

    def __init__(self, endpoint: Endpoint, post: Post, schedule: Schedule, note: Note) -> None:
        """`post` makes one request and never raises for what the other side does."""
        self._endpoint, self._post, self._schedule = endpoint, post, schedule
        self._note = note
        self._gone = asyncio.Event()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._not_before = 0.0

    @property
    def gone(self) -> bool:
        """True once the endpoint wants no more."""
        return self._gone.is_set()

    async def deliver(self, message: Message) -> bool:
        """Return True when the event is done with; False when it is kept for the day on which the endpoint is back."""
        failures = 0
        while not self.gone:
            answer = await self._try(message)
            if answer is None:
                break
            if answer.taken:
                self._note(self._endpoint.name, "delivered")
                return True
            failures += 1
            wait = self._wait(message, answer, failures)
            if wait is None:
                return True
            with suppress(TimeoutError):
                await asyncio.wait_for(self._gone.wait(), wait)
        return False

    async def _try(self, message: Message) -> Answer | None:
        async with self._slots:
            await asyncio.sleep(max(0.0, self._not_before - time.monotonic()))
            if self.gone:
                return None
            attributes = {
                "lorabus.job.id": message.job_id,
                "lorabus.webhook": self._endpoint.name,
                "http.request.method": "POST",
                "server.address": self._endpoint.url.host,
            }
            span = telemetry.span("webhook.deliver", message.traceparent, attributes, kind=SpanKind.CLIENT)
            with span as traceparent:
                answer = await self._post(message, traceparent)
                telemetry.set_attributes({"http.response.status_code": answer.status or 0})
        if answer.status == GONE:
            self._close(message)
            return None
        return answer

    def _wait(self, message: Message, answer: Answer, failures: int) -> float | None:
        age = time.time() - min(message.born, time.time())
        wait = self._schedule.wait(failures, age=age, retry_after=answer.retry_after, chance=random.random())  # noqa: S311
        told = {"endpoint": self._endpoint.name, "event_id": message.id, "tries": failures, "answer": answer.said}
        if wait is None:
            log.error("a webhook is given up", **told)
            self._note(self._endpoint.name, "given_up")
            return None
        log.warning("a webhook failed", again_in_seconds=round(wait, 1), **told)
        self._note(self._endpoint.name, "failed")
        if answer.throttled:
            self._not_before = max(self._not_before, time.monotonic() + wait)
        return wait

    def _close(self, message: Message) -> None:
        if not self.gone:
            log.error("the endpoint of a webhook is gone (410)", endpoint=self._endpoint.name, event_id=message.id)
            self._note(self._endpoint.name, "gone")
            self._gone.set()
