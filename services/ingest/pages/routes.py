"""`/`: the jobs, as a page that needs nothing from any other host."""

import orjson
from fastapi import APIRouter
from starlette.responses import HTMLResponse

from services.ingest.http_jobs import Jobs
from services.ingest.pages.list_page import list_page

SECURITY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self' 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def pages_router(jobs: Jobs) -> APIRouter:
    """Build the routes."""
    router = APIRouter(include_in_schema=False)

    @router.get("/", response_class=HTMLResponse)
    async def home() -> HTMLResponse:
        found = await jobs.model.page([], None, 100)
        return HTMLResponse(list_page([orjson.loads(row) for _, _, row in found]), headers=SECURITY)

    return router
