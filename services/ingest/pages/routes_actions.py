"""What a job's page leads to: cancel, run again, and what the services have logged about it."""

import asyncio

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from services.ingest.http_jobs import JobId, Jobs
from services.ingest.http_problem import ProblemError
from services.ingest.pages.job_logs import lines_about
from services.ingest.pages.links import Links

SEE_OTHER = 303


def actions_router(jobs: Jobs, links: Links) -> APIRouter:
    """Build the routes."""
    router = APIRouter(include_in_schema=False)

    @router.get("/jobs/{job_id}/logs")
    async def logs(job_id: JobId) -> Response:
        row, folder = await jobs.row(job_id), links.log_folder
        if folder is None or not folder.is_dir():
            raise ProblemError(404, "No logs here", "the services log elsewhere; LORABUS_LOG_URL may lead there")
        trace_id = (row.traceparent or "").split("-")[1:2]
        found = await asyncio.to_thread(lines_about, folder, row.job_id, *trace_id)
        # A line is a JSON object; as plain text a browser shows it instead of keeping it as a file.
        return Response(found, media_type="text/plain", headers={"X-Content-Type-Options": "nosniff"})

    @router.post("/jobs/{job_id}/cancel")
    async def cancel(job_id: JobId) -> RedirectResponse:
        await jobs.row(job_id)
        await jobs.told(jobs.cancellation.cancel(job_id, "page"))
        return RedirectResponse(f"/jobs/{job_id}", SEE_OTHER)

    @router.post("/jobs/{job_id}/again")
    async def again(job_id: JobId) -> RedirectResponse:
        accepted = await jobs.told(jobs.acceptance.again(job_id))
        if accepted is None:
            raise ProblemError(404, "No such job", f"there is no accepted job {job_id[:200]!r}")
        return RedirectResponse(f"/jobs/{accepted.record.job_id}", SEE_OTHER)

    return router
