"""Errors over HTTP as RFC 9457 problems, each with the way out."""

from collections.abc import Iterable

import orjson
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response

from schemas.events.job import FieldProblem
from services.common.errors import WorldError
from services.ingest.pages.render import page


class ProblemDetails(BaseModel):
    """What every error answers with."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    jobId: str | None = None  # noqa: N815 - the name on the wire.
    problems: list[FieldProblem] | None = None


class ProblemError(Exception):
    """Ends a request with this problem."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        job_id: str | None = None,
        problems: Iterable[FieldProblem] | None = None,
    ) -> None:
        """`problems` are those of the Workspace, all of them."""
        super().__init__(detail)
        self.details = ProblemDetails(
            title=title,
            status=status,
            detail=detail,
            jobId=job_id,
            problems=None if problems is None else list(problems),
        )


def problem_response(details: ProblemDetails, headers: dict[str, str] | None = None) -> Response:
    """Give the answer."""
    body = orjson.dumps(details.model_dump(mode="json", exclude_none=True))
    return Response(body, details.status, headers, media_type="application/problem+json")


async def on_problem(request: Request, error: Exception) -> Response:
    """Answer a `ProblemError`; a person in a browser gets a page."""
    assert isinstance(error, ProblemError)  # noqa: S101 - registered for nothing else.
    if "text/html" in request.headers.get("accept", ""):
        return page("message.html", error.details.status, title=error.details.title, detail=error.details.detail)
    return problem_response(error.details)


async def on_http_error(_: Request, error: Exception) -> Response:
    """Answer what the framework refuses: an unknown path, a wrong method."""
    assert isinstance(error, HTTPException)  # noqa: S101
    headers = dict(error.headers or {})
    details = ProblemDetails(title=str(error.detail), status=error.status_code, detail=f"{error.detail}; see /docs")
    return problem_response(details, headers)


async def on_bad_parameter(_: Request, error: Exception) -> Response:
    """Answer a query or path that does not fit the OpenAPI document."""
    assert isinstance(error, RequestValidationError)  # noqa: S101
    problems = [
        FieldProblem(path=".".join(str(part) for part in found["loc"]), message=str(found["msg"]))
        for found in error.errors()
    ]
    detail = "; ".join(f"{problem.path}: {problem.message}" for problem in problems)
    return problem_response(ProblemDetails(title="Bad parameter", status=422, detail=detail, problems=problems))


async def on_world_error(_: Request, error: Exception) -> Response:
    """Answer while the store or the broker is away."""
    message = error.message if isinstance(error, WorldError) else f"Kafka does not take the event: {error}"
    details = ProblemDetails(title="Try again", status=503, detail=f"{message}; the request may be sent again as it is")
    return problem_response(details, {"Retry-After": "5"})
