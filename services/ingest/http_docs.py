"""`/docs` and `/asyncapi`: pages written here from the two documents, so that nothing is loaded from elsewhere."""

from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.responses import HTMLResponse, JSONResponse

from schemas.asyncapi import asyncapi
from services.ingest.pages.layout import page
from services.ingest.pages.routes import SECURITY


def docs_router(app: FastAPI) -> APIRouter:
    """Build the routes."""
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    async def docs() -> HTMLResponse:
        return HTMLResponse(openapi_page(app.openapi()), headers=SECURITY)

    @router.get("/asyncapi")
    async def topics() -> HTMLResponse:
        return HTMLResponse(asyncapi_page(asyncapi()), headers=SECURITY)

    @router.get("/asyncapi.json")
    async def topics_as_json() -> JSONResponse:
        return JSONResponse(asyncapi())

    return router


def openapi_page(document: dict[str, Any]) -> str:
    """Give every operation with its parameters and answers. Pure."""
    parts = [f'<p>{escape(document["info"]["summary"])} <a href="/openapi.json">As JSON</a></p>']
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parts.append(f"<section><h2><code>{method.upper()} {escape(path)}</code></h2>")
            parts.append(f"<p>{escape(operation.get('description', ''))}</p>")
            parts.append(_terms((p["name"], p.get("description", p["in"])) for p in operation.get("parameters", ())))
            parts.append(_terms((status, said["description"]) for status, said in operation["responses"].items()))
            parts.append("</section>")
    return page("lorabus HTTP API", "".join(parts))


def asyncapi_page(document: dict[str, Any]) -> str:
    """Give every topic with its messages. Pure."""
    parts = [f'<p>{escape(document["info"]["description"])} <a href="/asyncapi.json">As JSON</a></p>']
    messages = document["components"]["messages"]
    for channel in document["channels"].values():
        parts.append(f"<section><h2><code>{escape(channel['address'])}</code></h2>")
        parts.append(f"<p>{escape(channel['description'])}</p>")
        here = [messages[link["$ref"].rsplit("/", 1)[-1]] for link in channel["messages"].values()]
        parts.append(_terms((message["name"], message["summary"]) for message in here))
        parts.append("</section>")
    return page("lorabus topics", "".join(parts))


def _terms(pairs: Any) -> str:
    lines = "".join(f"<dt><code>{escape(str(name))}</code><dd>{escape(str(said))}" for name, said in pairs)
    return f"<dl>{lines}</dl>"
