"""The HTTP API put together: routes, guards, errors, health, documentation."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson
from aiokafka.errors import KafkaError
from fastapi import APIRouter, FastAPI, Response
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from services.common.errors import WorldError
from services.common.kafka.dead_letters import DeadLetters
from services.ingest import http_problem
from services.ingest.http_docs import docs_router
from services.ingest.http_guard import Guard, Tokens
from services.ingest.http_jobs import Jobs, jobs_router
from services.ingest.http_problem import ProblemError
from services.ingest.http_stream import stream_router
from services.ingest.metrics import Metrics
from services.ingest.pages.links import Links
from services.ingest.pages.routes import pages_router
from services.ingest.pages.routes_actions import actions_router
from services.ingest.pages.routes_submit import submit_router
from services.ingest.read_model import ReadModel

# A span for each request that asks for something; looking makes none, or the page alone would fill a trace server.
TRACED: TelemetryConfig = {
    "exclude": lambda scope: scope.get("method") != "POST",
    "operation_spans": False,
    "metrics": False,
    "logs": False,
    "auto_configure": False,
}


class Process(Protocol):
    """What the process says of itself."""

    async def missing(self) -> dict[str, str]:
        """Give what is not ready, by part; an empty dict means ready."""
        ...

    @property
    def subscribers(self) -> Mapping[str, Any]:
        """FastStream's, by topic."""
        ...

    @property
    def dead_letters(self) -> DeadLetters:
        """Where those go that nobody can read."""
        ...


def build_app(
    jobs: Jobs, process: Process, metrics: Metrics, *, tokens: Tokens, loopback: bool, links: Links | None = None
) -> FastAPI:
    """Build the ASGI application."""
    app = FastAPI(
        title="lorabus",
        version="1",
        summary="Fine-tuning jobs: submit a KAITO Workspace, follow it, cancel it.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        telemetry=TRACED,
    )
    for router in (jobs_router(jobs), stream_router(jobs), _health_router(jobs.model, process, metrics)):
        app.include_router(router)
    app.include_router(docs_router(app))
    for made in (pages_router, actions_router):
        app.include_router(made(jobs, links or Links()))
    app.include_router(submit_router(jobs, tokens))
    app.add_exception_handler(ProblemError, http_problem.on_problem)
    app.add_exception_handler(HTTPException, http_problem.on_http_error)
    app.add_exception_handler(RequestValidationError, http_problem.on_bad_parameter)
    app.add_exception_handler(WorldError, http_problem.on_world_error)
    app.add_exception_handler(KafkaError, http_problem.on_world_error)
    app.add_middleware(Guard, tokens=tokens, loopback=loopback)
    return app


def _health_router(model: ReadModel, process: Process, metrics: Metrics) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Tell that the process answers."""
        return {"status": "ok"}

    @router.get("/readyz", responses={503: {"description": "`missing` names what is not ready yet, and why."}})
    async def readyz() -> Response:
        """Tell whether requests are taken and answers are complete."""
        missing = await process.missing()
        body = orjson.dumps({"status": "waiting" if missing else "ready", "missing": missing})
        return Response(body, 503 if missing else 200, media_type="application/json")

    @router.get("/metrics", response_class=Response)
    async def show_metrics() -> Response:
        """Give the metrics in Prometheus's text format."""
        metrics.scrape.jobs, metrics.scrape.now = await model.counts(), datetime.now(UTC)
        await metrics.edges.look(process.subscribers, process.dead_letters)
        return Response(generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return router
