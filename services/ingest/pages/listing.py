"""The list of jobs, and how it stays what it shows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sse_starlette import ServerSentEvent

from schemas import waiting
from schemas.events import State
from schemas.jobs import JobRow
from services.ingest.http_jobs import cursor_of, place_of
from services.ingest.pages.render import html
from services.ingest.pages.summary import queue_of
from services.ingest.read_model import ReadModel

PAGE = 50
PAUSE_SECONDS = 1.0
AGING_SECONDS = 20.0
"""After so long without a change the list is looked at again, for it says how long ago things were."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be listed: one state or all, names with a text in them, the page after a place."""

    state: str = ""
    text: str = ""
    cursor: str | None = None

    def query(self, **changed: str | None) -> str:
        """As an address's query, with parts changed."""
        parts = {"state": self.state, "q": self.text, "cursor": self.cursor, **changed}
        filled = {name: value for name, value in parts.items() if value}
        return f"?{urlencode(filled)}" if filled else ""


async def listing(model: ReadModel, asked: Asked) -> dict[str, Any]:
    """What the list's templates show; an unknown state counts as none."""
    states = [asked.state] if asked.state in set(State) else []
    found = await model.page(states, place_of(asked.cursor), PAGE + 1, asked.text)
    counts = await model.counts()
    counted = {name: count for name, (count, _) in counts.items()}
    queue = queue_of(counts)
    return {
        "asked": asked,
        "why": waiting.queue(queue.waiting, queue.working) if queue.waiting else None,
        "jobs": [JobRow.model_validate_json(row) for _, _, row in found[:PAGE]],
        "counts": {state.value: counted[state.value] for state in State if counted.get(state.value)},
        "next": cursor_of(found[PAGE - 1][0], found[PAGE - 1][1]) if len(found) > PAGE else None,
    }


async def list_sections(model: ReadModel, asked: Asked) -> AsyncIterator[ServerSentEvent]:
    """Send counts and rows whenever they differ from what was sent."""
    sent: dict[str, str] = {}
    while True:
        seen = model.version
        shown = await listing(model, asked)
        now = {name: html(f"parts/{name}.html", **shown) for name in ("counts", "rows")}
        for name, content in now.items():
            if sent.get(name) != content:
                yield ServerSentEvent(data=content, event=name)
        sent = now
        await asyncio.sleep(PAUSE_SECONDS)
        with suppress(TimeoutError):
            await asyncio.wait_for(model.changed_since(seen), AGING_SECONDS)
