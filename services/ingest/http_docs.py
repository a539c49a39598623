"""`/docs` and `/asyncapi`: pages written here from the two documents, so that nothing is loaded from elsewhere."""

from fastapi import APIRouter, FastAPI
from starlette.responses import HTMLResponse, JSONResponse

from schemas.asyncapi import asyncapi
from services.ingest.pages.render import page


def docs_router(app: FastAPI) -> APIRouter:
    """Build the routes."""
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    async def docs() -> HTMLResponse:
        return page("openapi.html", document=app.openapi())

    @router.get("/asyncapi")
    async def topics() -> HTMLResponse:
        return page("asyncapi.html", document=asyncapi())

    @router.get("/asyncapi.json")
    async def topics_as_json() -> JSONResponse:
        return JSONResponse(asyncapi())

    return router
