"""The status page: the jobs and one job, each with the stream that keeps it what it shows."""

from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Query
from markupsafe import Markup
from sse_starlette import EventSourceResponse
from starlette.responses import HTMLResponse, Response

from services.ingest.http_jobs import JobId, Jobs
from services.ingest.http_problem import ProblemError
from services.ingest.pages.links import Links
from services.ingest.pages.listing import Asked, list_sections, listing
from services.ingest.pages.live import job_sections, load, sections
from services.ingest.pages.render import page
from services.ingest.pages.view import JobView

_HTMX = files("django_htmx") / "static" / "django_htmx"
_OWN = files("services.ingest.pages") / "static"
STATIC = {
    "htmx.js": (_HTMX / "htmx-2.min.js", "text/javascript"),
    "sse.js": (_HTMX / "ext" / "hx-sse-2.min.js", "text/javascript"),
    "page.js": (_OWN / "page.js", "text/javascript"),
    "style.css": (_OWN / "style.css", "text/css"),
    "charts.css": (_OWN / "charts.css", "text/css"),
}
State = Annotated[str, Query(max_length=20)]
Text = Annotated[str, Query(max_length=200, alias="q", description="A part of the job's id.")]
Cursor = Annotated[str | None, Query(max_length=400)]


def pages_router(jobs: Jobs, links: Links) -> APIRouter:
    """Build the routes."""
    router = APIRouter(include_in_schema=False)
    model = jobs.model

    @router.get("/static/{name}")
    async def static(name: str) -> Response:
        if name not in STATIC:
            raise ProblemError(404, "Not Found", f"there is no file {name[:100]!r}")
        file, kind = STATIC[name]
        return Response(file.read_bytes(), media_type=kind, headers={"Cache-Control": "max-age=600"})

    @router.get("/")
    async def home(state: State = "", text: Text = "", cursor: Cursor = None) -> HTMLResponse:
        return page("jobs.html", **await listing(model, Asked(state, text.strip(), cursor)))

    @router.get("/pages/jobs/stream")
    async def home_stream(state: State = "", text: Text = "", cursor: Cursor = None) -> EventSourceResponse:
        return EventSourceResponse(list_sections(model, Asked(state, text.strip(), cursor)))

    @router.get("/jobs/{job_id}")
    async def show(job_id: JobId) -> HTMLResponse:
        row = await jobs.row(job_id)
        view = JobView(job_id, state=row.state.value)
        await load(model, view)
        # Made by templates, which escape what events say.
        made = {name: Markup(content) for name, content in (await sections(model, view, links)).items()}  # noqa: S704
        return page("job.html", row=row, live=not view.ended, parts=made)

    @router.get("/pages/jobs/{job_id}/stream")
    async def show_stream(job_id: JobId) -> EventSourceResponse:
        await jobs.row(job_id)
        return EventSourceResponse(job_sections(model, job_id, links))

    return router
