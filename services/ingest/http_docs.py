"""`/docs`, `/asyncapi`, JSON Schemas and the pages of `docs/`: all written here, nothing is loaded from elsewhere."""

from fastapi import APIRouter, FastAPI
from markupsafe import Markup
from starlette.responses import HTMLResponse, JSONResponse

from schemas.asyncapi import asyncapi, json_schema, message_models
from schemas.topics import short_type
from services.ingest.http_problem import ProblemError
from services.ingest.pages import documents
from services.ingest.pages.render import page


def docs_router(app: FastAPI) -> APIRouter:
    """Build the routes."""
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    async def docs() -> HTMLResponse:
        return page("openapi.html", document=app.openapi())

    @router.get("/docs/{name:path}.md")
    async def document(name: str) -> HTMLResponse:
        try:
            title, content = documents.document(name)
        except KeyError as error:
            raise ProblemError(404, "Not Found", f"there is no page {name[:100]!r}") from error
        # Our own text, and its parser lets no HTML through.
        return page("document.html", title=title, content=Markup(content))  # noqa: S704

    @router.get("/asyncapi")
    async def topics() -> HTMLResponse:
        return page("asyncapi.html", document=asyncapi())

    @router.get("/asyncapi.json")
    async def topics_as_json() -> JSONResponse:
        return JSONResponse(asyncapi())

    @router.get("/schemas/{name}.json")
    async def schema(name: str) -> JSONResponse:
        short = short_type(name)
        if short == name or short not in message_models():
            raise ProblemError(404, "Not Found", f"there is no type {name[:100]!r}; /asyncapi has all of them")
        return JSONResponse(json_schema(short), media_type="application/schema+json")

    return router
