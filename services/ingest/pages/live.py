"""Sections of a page as they change, over server-sent events: each as soon as it differs, at most twice a second."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime

import orjson
from sse_starlette import ServerSentEvent

from schemas.events import State
from services.ingest.pages.links import Links
from services.ingest.pages.parts import parts
from services.ingest.pages.summary import Queue, queue_of
from services.ingest.pages.view import JobView
from services.ingest.read_model import ReadModel

PAUSE_SECONDS = 0.5
TICK_SECONDS = 5.0


async def load(model: ReadModel, view: JobView, after: int = -1) -> int:
    """Take the events after an offset into the view; gives the offset of the last one."""
    while found := await model.events(view.job_id, after):
        for offset, _, data in found:
            view.add(orjson.loads(data))
            after = offset
    return after


async def sections(model: ReadModel, view: JobView, links: Links) -> dict[str, str]:
    """Every section as it is now."""
    queue = queue_of(await model.counts()) if view.state == State.PENDING else Queue()
    return parts(view, datetime.now(UTC), links, queue)


async def job_sections(model: ReadModel, job_id: str, links: Links) -> AsyncIterator[ServerSentEvent]:
    """Send each section of a job's page whenever it changes; `end` after the job's last event."""
    view, after, sent = JobView(job_id), -1, dict[str, str]()
    with model.watch(job_id) as changed:
        while True:
            changed.clear()
            after = await load(model, view, after)
            now = await sections(model, view, links)
            for name, content in now.items():
                if sent.get(name) != content:
                    yield ServerSentEvent(data=content, event=name)
            sent = now
            if view.ended:
                yield ServerSentEvent(data="", event="end")
                return
            await _next(changed)


async def _next(changed: asyncio.Event) -> None:
    """Wait for a change, or long enough for running times to look alive; never less than a pause."""
    await asyncio.sleep(PAUSE_SECONDS)
    with suppress(TimeoutError):
        await asyncio.wait_for(changed.wait(), TICK_SECONDS)
