"""`/v1/jobs`: submit, list, show, cancel."""

import asyncio
import base64
import hashlib
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar
from uuid import uuid4

import orjson
from aiokafka.errors import KafkaTimeoutError
from fastapi import APIRouter, Header, Path, Query, Response
from fastapi import Request as HttpRequest

from schemas.events import State
from schemas.events.job import FieldProblem
from schemas.jobs import JobRow
from services.ingest.accept import Acceptance, Accepted, Rejected
from services.ingest.cancel import Cancellation
from services.ingest.http_body import read_workspaces
from services.ingest.http_models import WORKSPACE_BODY, JobEvents, JobPage, problems
from services.ingest.http_problem import ProblemError
from services.ingest.idempotency import Idempotency
from services.ingest.read_model import ReadModel
from services.ingest.requests import Request
from services.ingest.rows import row_of
from services.ingest.spec_history import find

JobId = Annotated[str, Path(max_length=200, description="`<namespace>.<name>.<12 hex>`")]
Rerun = Annotated[
    str | None, Query(max_length=128, description="Makes the same spec a new job; empty takes a nonce of its own.")
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Jobs:
    """The use cases and the read model behind the routes."""

    acceptance: Acceptance
    cancellation: Cancellation
    idempotency: Idempotency
    model: ReadModel
    patience: float = 15.0
    """Seconds that a caller is left without an answer; Kafka's own client would wait for its broker for ever."""

    async def told(self, work: Coroutine[Any, Any, T]) -> T:
        """Give what the work gives. When Kafka does not take it in time, the caller hears so; the work goes on."""
        task = asyncio.ensure_future(work)
        done, _ = await asyncio.wait({task}, timeout=self.patience)
        if not done:
            task.add_done_callback(lambda late: late.cancelled() or late.exception())
            raise KafkaTimeoutError(f"no answer within {self.patience:.0f} s")
        return task.result()

    async def row(self, job_id: str) -> JobRow:
        """Give a job's row; one that was accepted a moment ago is answered from its spec."""
        row = await self.model.row(job_id)
        if row is None and (record := await find(self.acceptance.store, job_id)) is not None:
            row = row_of(record)
        if row is None:
            raise ProblemError(
                404, "No such job", f"there is no job {job_id[:200]!r}; GET /v1/jobs lists those that are"
            )
        return row


def jobs_router(jobs: Jobs) -> APIRouter:
    """Build the routes."""
    router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

    @router.post(
        "",
        status_code=202,
        response_model=JobRow | JobPage,
        responses=problems(413, 415, 422, 503),
        openapi_extra=WORKSPACE_BODY,
    )
    async def submit(
        http: HttpRequest,
        rerun: Rerun = None,
        idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
    ) -> Response:
        """Accept every Workspace of the body, or none: one job, or a list where the body holds several Workspaces."""
        request_id = idempotency_key or str(uuid4())
        nonce = request_id if rerun == "" else rerun
        requests, body = await read_workspaces(http, request_id=request_id, rerun=nonce, now=jobs.acceptance.clock())
        if idempotency_key:
            await jobs.idempotency.check(idempotency_key, hashlib.sha256(body + (rerun or "").encode()).hexdigest())
        rows = await jobs.told(_accept_all(jobs, requests))
        if len(rows) > 1:
            return _answer({"jobs": [row.to_wire() for row in rows]}, 202)
        return _answer(rows[0].to_wire(), 202, {"Location": f"/v1/jobs/{rows[0].job_id}"})

    @router.get("", response_model=JobPage, responses=problems(422))
    async def list_jobs(
        state: Annotated[list[State] | None, Query(description="Only jobs in one of these states.")] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        cursor: Annotated[str | None, Query(max_length=400, description="`next` of the page before.")] = None,
    ) -> Response:
        """Give jobs from new to old, a page at a time."""
        found = await jobs.model.page([item.value for item in state or ()], place_of(cursor), limit + 1)
        rows = [orjson.Fragment(row) for _, _, row in found[:limit]]
        return _answer({"jobs": rows, "next": cursor_of(*found[limit - 1][:2]) if len(found) > limit else None})

    @router.get("/{job_id}", response_model=JobRow, responses=problems(404))
    async def show(job_id: JobId) -> Response:
        """Give one job."""
        return _answer((await jobs.row(job_id)).to_wire())

    @router.get("/{job_id}/events", response_model=JobEvents, responses=problems(404))
    async def events(job_id: JobId) -> Response:
        """Give a job's events in their order."""
        found = await jobs.model.events(job_id, limit=100_000)
        if not found:
            await jobs.row(job_id)
        return _answer({"events": [orjson.Fragment(data) for _, _, data in found]})

    _add_wishes(router, jobs)
    return router


def _add_wishes(router: APIRouter, jobs: Jobs) -> None:
    """What can be asked of a job."""

    @router.post("/{job_id}/cancel", status_code=202, response_model=JobRow, responses=problems(404, 503))
    async def cancel(job_id: JobId) -> Response:
        """Ask for the job's end; the answer has the state that it goes to, or ended with before."""
        state = await jobs.told(jobs.cancellation.cancel(job_id, "http"))
        row = await jobs.row(job_id)
        if state is not None and not row.state.terminal:
            row = row.model_copy(update={"state": state, "kaito_state": state.kaito})
        return _answer(row.to_wire(), 202)

    @router.post("/{job_id}/publish", status_code=202, response_model=JobRow, responses=problems(404, 409, 503))
    async def publish(job_id: JobId) -> Response:
        """Publish once more what an ended job has trained, without training: the answer is the job that does it."""
        accepted = await jobs.told(jobs.acceptance.publish(job_id))
        if accepted is None:
            row = await jobs.row(job_id)
            why = "has no complete adapter" if row.state.terminal else f"is {row.state.value}: wait for its end"
            raise ProblemError(409, "Nothing to publish", f"job {job_id} {why}")
        row = await jobs.row(accepted.record.job_id)
        return _answer(row.to_wire(), 202, {"Location": f"/v1/jobs/{row.job_id}"})


async def _accept_all(jobs: Jobs, requests: list[Request]) -> list[JobRow]:
    """Accept all or none; what is rejected is told on the status topic too."""
    judged = [await jobs.acceptance.judge(request) for request in requests]
    bad = [request for request, answer in zip(requests, judged, strict=True) if isinstance(answer, Rejected)]
    answers = [await jobs.acceptance.accept(request) for request in bad or requests]
    rejected = [answer for answer in answers if isinstance(answer, Rejected)]
    if rejected:
        raise _refusal(rejected, several=len(requests) > 1)
    return [await jobs.row(answer.record.job_id) for answer in answers if isinstance(answer, Accepted)]


def _refusal(rejected: list[Rejected], *, several: bool) -> ProblemError:
    problems = [
        FieldProblem(path=f"{answer.name}: {problem.path}" if several else problem.path, message=problem.message)
        for answer in rejected
        for problem in answer.problems
    ]
    first = "; ".join(": ".join(filter(None, (problem.path, problem.message))) for problem in problems[:3])
    detail = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}, nothing was accepted: {first}"
    return ProblemError(422, "Not a valid Workspace", detail, job_id=rejected[0].job_id, problems=problems)


def _answer(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), status, headers, media_type="application/json")


def cursor_of(created_at: str, job_id: str) -> str:
    """Name the place after a job in the list."""
    return base64.urlsafe_b64encode(f"{created_at} {job_id}".encode()).decode()


def place_of(cursor: str | None) -> tuple[str, str] | None:
    """Read what `cursor_of` wrote."""
    if cursor is None:
        return None
    try:
        created_at, job_id = base64.b64decode(cursor, altchars=b"-_", validate=True).decode().split(" ")
    except ValueError as error:
        raise ProblemError(422, "Bad cursor", "cursor must be `next` of the page before", problems=[]) from error
    return created_at, job_id
