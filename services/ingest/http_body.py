"""What a POST asks for: the Workspaces of a YAML or JSON body, with the ConfigMaps beside them."""

import asyncio
from dataclasses import replace
from datetime import datetime
from uuid import uuid4

from fastapi import Request as HttpRequest

from schemas.bundles import Bundle
from schemas.documents import Document, DocumentError, load_documents
from schemas.envelope import valid_traceparent
from schemas.events.job import FieldProblem
from services.ingest.http_problem import ProblemError
from services.ingest.requests import Request, read_request
from services.ingest.settings import MAX_BODY_BYTES

MAX_OBJECTS = 500
"""Workspaces, and ConfigMaps, of one request: each Workspace looks at every ConfigMap."""
YAML_TYPES = frozenset({"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"})
JSON_TYPES = frozenset({"application/json", "text/json"})


async def read_body(http: HttpRequest) -> bytes:
    """Take at most `MAX_BODY_BYTES`; more is refused without being read."""
    pieces, size = [], 0
    async for piece in http.stream():
        size += len(piece)
        if size > MAX_BODY_BYTES:
            detail = f"the body is larger than {MAX_BODY_BYTES:,} bytes; send fewer Workspaces at once"
            raise ProblemError(413, "Too large", detail)
        pieces.append(piece)
    return b"".join(pieces)


async def read_workspaces(
    http: HttpRequest, *, request_id: str, rerun: str | None, now: datetime
) -> tuple[list[Request], bytes]:
    """Give each Workspace as a request, and the body."""
    name = _name_by_type(http.headers.get("content-type", ""))
    body = await read_body(http)
    form = Request(request_id, now, None, rerun=rerun, traceparent=_traceparent(http))
    return await _read(body, name, form), body


async def read_text(text: str, *, now: datetime) -> list[Request]:
    """Give each Workspace of a text that somebody typed."""
    return await _read(text.encode(), "text", Request(str(uuid4()), now, None))


async def _read(body: bytes, name: str, form: Request) -> list[Request]:
    try:
        documents = await asyncio.to_thread(load_documents, body, name=name)
    except DocumentError as error:
        problem = FieldProblem(path=f"line {error.line}, column {error.column}", message=error.message)
        raise ProblemError(422, "Not readable", str(error), problems=[problem]) from error
    requests = _requests(documents, form)
    if not requests:
        problem = FieldProblem(path="", message=f"the {name} holds no document of the kind Workspace")
        raise ProblemError(422, "No Workspace", problem.message, problems=[problem])
    return requests


def _requests(documents: list[Document], form: Request) -> list[Request]:
    """Fill `form` in for each Workspace; those after the first have request ids of their own."""
    whole = documents[0].value if len(documents) == 1 else None
    if isinstance(whole, dict) and "workspace" in whole:
        read = read_request(whole, request_id=form.id, received_at=form.received_at, traceparent=form.traceparent)
        return [replace(read, rerun=form.rerun or read.rerun)]
    bundle = Bundle()
    bundle.add(documents)
    most = max(len(bundle.workspaces), len(bundle.config_maps))
    if most > MAX_OBJECTS:
        detail = f"the body holds {most:,} Workspaces or ConfigMaps, more than {MAX_OBJECTS}; send fewer at once"
        raise ProblemError(413, "Too large", detail, problems=[FieldProblem(path="", message=detail)])
    return [
        _request(workspace, bundle, replace(form, id=f"{form.id}:{index}" if index else form.id))
        for index, workspace in enumerate(bundle.workspaces)
    ]


def _request(workspace: object, bundle: Bundle, form: Request) -> Request:
    if isinstance(workspace, dict):
        return replace(form, workspace=workspace, config_maps=bundle.config_maps_for(workspace), raw=workspace)
    fault = FieldProblem(path="", message="a document must be a map: a Workspace or a ConfigMap")
    return replace(form, raw=workspace, fault=fault)


def _name_by_type(content_type: str) -> str:
    kind = content_type.partition(";")[0].strip().lower()
    if kind in JSON_TYPES:
        return "body.json"
    if kind in YAML_TYPES:
        return "body"
    detail = f"Content-Type must be application/yaml or application/json, not {content_type[:100] or 'absent'}"
    raise ProblemError(415, "Unsupported media type", detail)


def _traceparent(http: HttpRequest) -> str | None:
    return valid_traceparent(http.headers.get("traceparent"))
