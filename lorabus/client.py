"""The client library: ask for jobs, follow them, end them.

    async with open_client(read_settings()) as client:
        accepted = await client.submit(request)
        async for event in client.watch(accepted.job_id):
            print(event.type, event.data)

Requests and events go over Kafka; ingest's HTTP API only answers questions about jobs, and following one works
without it.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from opentelemetry.trace import SpanKind

from lorabus.api import Api, open_api
from lorabus.events import Event
from lorabus.kafka import CONNECT_SECONDS, within
from lorabus.requests import Request
from lorabus.settings import CallerSettings
from lorabus.status_topic import StatusTopic, open_status_topic
from lorabus.watching import Place, Watching
from schemas.envelope import Envelope, encode
from schemas.jobs import JobRow
from schemas.topics import REQUESTS, full_type
from services.common.errors import Unreachable
from services.common.kafka.producer import open_producer
from services.common.telemetry import messaging, span

SOURCE = "lorabus"
ANSWERS = ("job.accepted", "job.rejected")
ANSWER_SECONDS = 30.0


class LorabusClient:
    """One caller. `api` asks ingest directly; its questions fail alone when ingest is not there."""

    def __init__(self, settings: CallerSettings, api: Api) -> None:
        self._settings = settings
        self.api = api

    async def submit(self, request: Request, *, patience: float = ANSWER_SECONDS) -> Event:
        """Publish a request and wait for `job.accepted` or `job.rejected`, which is given back.

        The events are read from before the request is sent, so the answer cannot be missed. No answer in time is
        `Unreachable`: the request stays in Kafka, and ingest will take it when it comes back.
        """
        async with open_status_topic(self._settings) as topic:
            ends = await topic.ends()
            with span("lorabus.submit", None, {"lorabus.workspace": request.name}) as traceparent:
                envelope = Envelope(full_type("tuning.request"), SOURCE, request.data)
                with span(
                    f"send {REQUESTS.name}",
                    traceparent,
                    messaging("send", REQUESTS.name, envelope.id),
                    kind=SpanKind.PRODUCER,
                ) as sent:
                    await self._publish(REQUESTS.name, None, replace(envelope, traceparent=sent))
                try:
                    async with asyncio.timeout(patience):
                        return await _answer(topic, ends, envelope.id)
                except TimeoutError as error:
                    why = f"no answer to the request within {patience:.0f} s; it stays in Kafka until ingest reads it"
                    raise Unreachable("ingest", f"http://{self.api.address}", why) from error

    async def watch(
        self, job_id: str, *, from_start: bool = True, since: Place | None = None
    ) -> AsyncGenerator[Event, None]:
        """Give the job's events until it ends, each once, in the order of its partition.

        Without `from_start` what happened before is left out, except the end of a job that has ended.
        `since` is where an event of the job stands (partition, offset), for a job too new for ingest's own table.
        Raises `NoSuchJob` when there is nothing to follow.
        """
        async with open_status_topic(self._settings) as topic:
            async for event in Watching(topic, self.api, job_id, since).events():
                if from_start or event.ends or not event.replayed:
                    yield event

    async def cancel(self, job_id: str, *, poll: float = 0.3) -> JobRow:
        """Ask for the job's end and wait until it has ended, in whichever way; gives its last row."""
        await self.api.cancel(job_id)
        row = await self.api.job(job_id)
        while not row.state.terminal:
            await asyncio.sleep(poll)
            row = await self.api.job(job_id)
        return row

    async def _publish(self, topic: str, key: bytes | None, envelope: Envelope) -> None:
        value, headers = encode(envelope)
        async with open_producer(self._settings, SOURCE) as producer:
            await within(CONNECT_SECONDS, producer.publish(topic, key, value, headers), self._settings)


@asynccontextmanager
async def open_client(settings: CallerSettings) -> AsyncIterator[LorabusClient]:
    """A client with these settings; it connects to each server when it needs it."""
    async with open_api(settings) as api:
        yield LorabusClient(settings, api)


async def _answer(topic: StatusTopic, ends: dict[int, int], request_id: str) -> Event:
    async for event in topic.events(ends, {}):
        if event is not None and event.request_id == request_id and event.type in ANSWERS:
            return event
    raise AssertionError("the status topic has no end")
