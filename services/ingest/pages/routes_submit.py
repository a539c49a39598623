"""A form to check and submit YAML, with each problem at its line; and the one to give a token."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from urllib.parse import parse_qs

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from starlette.responses import HTMLResponse, RedirectResponse, Response

from schemas.events.job import FieldProblem
from services.ingest.accept import Accepted, Rejected
from services.ingest.http_body import read_body, read_text
from services.ingest.http_guard import COOKIE, Tokens
from services.ingest.http_jobs import Jobs
from services.ingest.http_problem import ProblemError
from services.ingest.pages.render import page
from services.ingest.pages.yaml_lines import Lines

EXAMPLE = (files("services.ingest.pages") / "templates" / "example.yaml").read_text()
MOST_SHOWN = 300
SEE_OTHER, UNPROCESSABLE, UNAUTHORIZED = 303, 422, 401


@dataclass(frozen=True, slots=True)
class Shown:
    """A problem with the line that it stands at, as far as that is known."""

    path: str
    message: str
    line: int | None = None
    source: str = ""


def submit_router(jobs: Jobs, tokens: Tokens) -> APIRouter:
    """Build the routes."""
    router = APIRouter(include_in_schema=False)

    @router.get("/submit")
    async def form(example: bool = False) -> HTMLResponse:
        return page("submit.html", text=EXAMPLE if example else "", problems=[], checked=False)

    @router.post("/submit")
    async def submit(http: HttpRequest) -> Response:
        fields = await _fields(http)
        text = fields.get("yaml", "").replace("\r\n", "\n")
        try:
            answers = await jobs.told(_answers(jobs, text, write=fields.get("do") == "submit"))
        except ProblemError as error:
            problems = await asyncio.to_thread(
                _placed, text, [(0, problem) for problem in error.details.problems or ()]
            )
            return page("submit.html", UNPROCESSABLE, text=text, problems=problems, checked=False)
        found = [
            (index, problem)
            for index, answer in enumerate(answers)
            if isinstance(answer, Rejected)
            for problem in answer.problems
        ]
        problems = await asyncio.to_thread(_placed, text, found)
        if problems or fields.get("do") != "submit":
            status = UNPROCESSABLE if problems else 200
            warnings = [w for answer in answers if isinstance(answer, Accepted) for w in answer.record.warnings]
            return page("submit.html", status, text=text, problems=problems, checked=True, warnings=warnings)
        written = [answer.record.job_id for answer in answers if isinstance(answer, Accepted)]
        return RedirectResponse(f"/jobs/{written[0]}" if len(written) == 1 else "/", SEE_OTHER)

    @router.get("/login")
    async def login_form() -> HTMLResponse:
        return page("login.html", wrong=False)

    @router.post("/login")
    async def login(http: HttpRequest) -> Response:
        token = (await _fields(http)).get("token", "").strip()
        if not tokens.know(token):
            return page("login.html", UNAUTHORIZED, wrong=True)
        answer = RedirectResponse("/", SEE_OTHER)
        answer.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=http.url.scheme == "https")
        return answer

    return router


async def _answers(jobs: Jobs, text: str, *, write: bool) -> list[Accepted | Rejected]:
    """Judge all; write all when asked to and none is bad."""
    requests = await read_text(text, now=jobs.acceptance.clock())
    judged = [await jobs.acceptance.judge(request) for request in requests]
    if not write or any(isinstance(answer, Rejected) for answer in judged):
        return judged
    return [await jobs.acceptance.accept(request) for request in requests]


def _placed(text: str, problems: Sequence[tuple[int, FieldProblem]]) -> list[Shown]:
    """Problems of Workspaces by number, as many as a person reads."""
    lines = Lines(text) if problems else None
    return [_shown(lines, workspace, problem) for workspace, problem in problems[:MOST_SHOWN] if lines]


def _shown(lines: Lines, workspace: int, problem: FieldProblem) -> Shown:
    """With the line, when the problem's path leads to one: `line 3, column 5` or a field of the document."""
    words = problem.path.split()
    if words[:1] == ["line"] and words[1].rstrip(",").isdecimal():
        line: int | None = int(words[1].rstrip(","))
    else:
        line = lines.of(workspace, problem.path)
    source = lines.texts[line - 1].strip()[:200] if line and line <= len(lines.texts) else ""
    return Shown(problem.path, problem.message, line, source)


async def _fields(http: HttpRequest) -> dict[str, str]:
    try:
        form = parse_qs((await read_body(http)).decode(), keep_blank_values=True, max_num_fields=10)
    except ValueError as error:
        raise ProblemError(422, "Not a form", "the form cannot be read", problems=[]) from error
    return {name: values[0] for name, values in form.items()}
