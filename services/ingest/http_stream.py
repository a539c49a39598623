"""A job's events as they happen, as server-sent events."""

from collections.abc import AsyncIterator
from typing import Annotated

import orjson
from fastapi import APIRouter, Header, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from schemas.events import State
from services.ingest.http_jobs import JobId, Jobs
from services.ingest.http_models import problems
from services.ingest.read_model import ReadModel

HEARTBEAT_SECONDS = 15
NO_MORE = 204
TERMINAL = frozenset(state.value for state in State if state.terminal)


def stream_router(jobs: Jobs) -> APIRouter:
    """Build the route."""
    router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

    @router.get(
        "/{job_id}/events/stream",
        response_class=EventSourceResponse,
        responses=problems(404) | {NO_MORE: {"description": "The job has ended, and no event comes any more."}},
    )
    async def stream(job_id: JobId, last_event_id: Annotated[str | None, Header(max_length=400)] = None) -> Response:
        """Send what has happened, or what came after `Last-Event-ID`, then what happens; ends with the job."""
        row = await jobs.row(job_id)
        after = await jobs.model.offset_of(job_id, last_event_id) if last_event_id else None
        start = -1 if after is None else after
        # A browser opens a stream again that has ended, and Kafka keeps events for a while only; 204 is how a caller
        # learns that nothing will come.
        if row.state.terminal and not await jobs.model.events(job_id, start, 1):
            return Response(status_code=NO_MORE)
        return EventSourceResponse(follow(jobs.model, job_id, start), ping=HEARTBEAT_SECONDS)

    return router


async def follow(model: ReadModel, job_id: str, after: int) -> AsyncIterator[ServerSentEvent]:
    """Give the job's events after an offset, as they come, until one ends the job."""
    with model.watch(job_id) as changed:
        while True:
            changed.clear()
            found = await model.events(job_id, after)
            for offset, event_id, data in found:
                yield ServerSentEvent(data=data, id=event_id)
                after = offset
                if _ends(data):
                    return
            if not found:
                await changed.wait()


def _ends(data: str) -> bool:
    return orjson.loads(data).get("state") in TERMINAL
