"""Ingest's HTTP API, as far as the command needs it."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import aiohttp

from lorabus.faults import BadInput, BadUsage, NoSuchJob
from lorabus.settings import CallerSettings
from schemas.jobs import JobRow
from services.common.errors import Unreachable

PAGE = 200
Query = Mapping[str, str] | Sequence[tuple[str, str]]
TIMEOUT = aiohttp.ClientTimeout(total=20, connect=4)


class Api:
    """Questions to ingest. A server that does not answer is `Unreachable`, an unknown job is `NoSuchJob`."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self._session = session
        self.address = address

    async def job(self, job_id: str) -> JobRow:
        """The newest state of one job."""
        return JobRow.model_validate(await self._ask("GET", f"/v1/jobs/{_segment(job_id)}", job_id))

    async def jobs(self, *, state: str | None = None) -> AsyncIterator[JobRow]:
        """All jobs, the newest first, page after page."""
        query = {"limit": str(PAGE), **({"state": state} if state else {})}
        while True:
            page = await self._ask("GET", "/v1/jobs", query=query)
            for row in page["jobs"]:
                yield JobRow.model_validate(row)
            if not page.get("next"):
                return
            query = {**query, "cursor": str(page["next"])}

    async def newest(self, states: Iterable[str], limit: int) -> list[JobRow]:
        """The newest jobs in any of these states."""
        query = [("limit", str(limit)), *(("state", state) for state in states)]
        page = await self._ask("GET", "/v1/jobs", query=query)
        return [JobRow.model_validate(row) for row in page["jobs"]]

    async def metrics(self) -> str:
        """What ingest measures, in Prometheus's text format."""
        try:
            async with self._session.get("/metrics") as response:
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Unreachable("ingest", f"http://{self.address}", _why(error)) from error
        return text if response.status == 200 else ""

    async def events(self, job_id: str) -> list[dict[str, Any]]:
        """The job's events, as ingest has read them."""
        answer = await self._ask("GET", f"/v1/jobs/{_segment(job_id)}/events", job_id)
        return list(answer["events"])

    async def cancel(self, job_id: str) -> None:
        """Ask for the job's end; returns when ingest has taken the wish."""
        await self._ask("POST", f"/v1/jobs/{_segment(job_id)}/cancel", job_id)

    async def publish(self, job_id: str) -> JobRow:
        """Ask for what an ended job has trained to be published once more; gives the job that does it."""
        return JobRow.model_validate(await self._ask("POST", f"/v1/jobs/{_segment(job_id)}/publish", job_id))

    async def _ask(self, method: str, path: str, job_id: str = "", *, query: Query | None = None) -> Any:
        try:
            async with self._session.request(method, path, params=query) as response:
                body = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Unreachable("ingest", f"http://{self.address}", _why(error)) from error
        if response.status == 404 and job_id:
            raise NoSuchJob(job_id)
        if response.status >= 500:
            why = ": ".join(filter(None, (f"it answered {response.status}", _problem(body))))
            raise Unreachable("ingest", f"http://{self.address}", why)
        if response.status == 401:
            raise BadUsage(
                f"ingest at http://{self.address} wants a token: name a file that holds it in LORABUS_API_TOKEN_FILE"
            )
        if response.status >= 400:
            raise BadInput(f"ingest refused: {_problem(body) or response.reason}")
        return body


@asynccontextmanager
async def open_api(settings: CallerSettings) -> AsyncIterator[Api]:
    """A session with ingest; nothing is sent before the first question."""
    token = settings.api_token()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession(f"http://{settings.http_addr}", timeout=TIMEOUT, headers=headers) as session:
        yield Api(session, settings.http_addr)


def _segment(job_id: str) -> str:
    return quote(job_id, safe="")


def _why(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return "connection failed"
    return "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__


def _problem(body: object) -> str:
    """The words of an `application/problem+json` answer."""
    if not isinstance(body, dict):
        return ""
    return str(body.get("detail") or body.get("title") or "")
