"""The list of jobs, and how it stays what it shows."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from sse_starlette import ServerSentEvent

from schemas.events import State
from schemas.jobs import JobRow
from services.ingest.pages.render import html
from services.ingest.read_model import ReadModel

PAGE = 50
PAUSE_SECONDS = 1.0
Place = tuple[str, str]


async def listing(model: ReadModel, state: str, before: Place | None) -> tuple[dict[str, Any], Place | None]:
    """What the list's templates show, and where the next page begins; an unknown state counts as none."""
    state = state if state in set(State) else ""
    found = await model.page([state] if state else [], before, PAGE + 1)
    jobs = [JobRow.model_validate_json(row) for _, _, row in found[:PAGE]]
    counts = {name: count for name, (count, _) in (await model.counts()).items()}
    following = (found[PAGE - 1][0], found[PAGE - 1][1]) if len(found) > PAGE else None
    return {"jobs": jobs, "counts": counts, "state": state}, following


async def list_sections(model: ReadModel, state: str, before: Place | None) -> AsyncIterator[ServerSentEvent]:
    """Send counts and rows whenever they differ from what was sent."""
    sent: dict[str, str] = {}
    while True:
        shown, _ = await listing(model, state, before)
        now = {name: html(f"parts/{name}.html", **shown) for name in ("counts", "rows")}
        for name, content in now.items():
            if sent.get(name) != content:
                yield ServerSentEvent(data=content, event=name)
        sent = now
        seen = model.version
        await asyncio.sleep(PAUSE_SECONDS)
        await model.changed_since(seen)
