"""The status page: the jobs, one job, and what can be done with it."""

from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Query
from markupsafe import Markup
from sse_starlette import EventSourceResponse
from starlette.responses import HTMLResponse, RedirectResponse, Response

from services.ingest.http_jobs import JobId, Jobs, cursor_of, place_of
from services.ingest.http_problem import ProblemError
from services.ingest.pages.listing import list_sections, listing
from services.ingest.pages.live import job_sections, load
from services.ingest.pages.parts import parts
from services.ingest.pages.render import page
from services.ingest.pages.view import JobView

SEE_OTHER = 303
_HTMX = files("django_htmx") / "static" / "django_htmx"
STATIC = {
    "htmx.js": (_HTMX / "htmx-2.min.js", "text/javascript"),
    "sse.js": (_HTMX / "ext" / "hx-sse-2.min.js", "text/javascript"),
    "style.css": (files("services.ingest.pages") / "static" / "style.css", "text/css"),
}
Cursor = Annotated[str | None, Query(max_length=400)]


def pages_router(jobs: Jobs, trace_url: str | None = None) -> APIRouter:
    """Build the routes. `trace_url` has `{trace_id}` where a job's trace is looked at."""
    router = APIRouter(include_in_schema=False)
    model = jobs.model

    @router.get("/static/{name}")
    async def static(name: str) -> Response:
        if name not in STATIC:
            raise ProblemError(404, "Not Found", f"there is no file {name[:100]!r}")
        file, kind = STATIC[name]
        return Response(file.read_bytes(), media_type=kind, headers={"Cache-Control": "max-age=600"})

    @router.get("/")
    async def home(state: str = "", cursor: Cursor = None) -> HTMLResponse:
        shown, following = await listing(model, state, place_of(cursor))
        query = f"?state={shown['state']}" + (f"&cursor={cursor}" if cursor else "")
        return page("jobs.html", **shown, query=query, next=cursor_of(*following) if following else None)

    @router.get("/pages/jobs/stream")
    async def home_stream(state: str = "", cursor: Cursor = None) -> EventSourceResponse:
        return EventSourceResponse(list_sections(model, state, place_of(cursor)))

    @router.get("/jobs/{job_id}")
    async def show(job_id: JobId) -> HTMLResponse:
        row = await jobs.row(job_id)
        view = JobView(job_id, state=row.state.value)
        await load(model, view, -1)
        sections = {name: Markup(content) for name, content in parts(view, row.updated_at, trace_url).items()}  # noqa: S704
        return page("job.html", job_id=job_id, parts=sections)

    @router.get("/pages/jobs/{job_id}/stream")
    async def show_stream(job_id: JobId) -> EventSourceResponse:
        await jobs.row(job_id)
        return EventSourceResponse(job_sections(model, job_id, trace_url))

    @router.post("/jobs/{job_id}/cancel")
    async def cancel(job_id: JobId) -> RedirectResponse:
        await jobs.row(job_id)
        await jobs.cancellation.cancel(job_id, "page")
        return RedirectResponse(f"/jobs/{job_id}", SEE_OTHER)

    @router.post("/jobs/{job_id}/again")
    async def again(job_id: JobId) -> RedirectResponse:
        accepted = await jobs.acceptance.again(job_id)
        if accepted is None:
            raise ProblemError(404, "No such job", f"there is no accepted job {job_id[:200]!r}")
        return RedirectResponse(f"/jobs/{accepted.record.job_id}", SEE_OTHER)

    return router
