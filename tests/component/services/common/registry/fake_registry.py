"""A small registry in this process, for what a real one cannot be made to do: fail at one request, in a chosen way.

It speaks the distribution spec 1.1 as far as a push and a pull need it, and keeps what it was sent.
"""

import asyncio
import hashlib
import json
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from aiohttp import encode_basic_auth, web
from aiohttp.typedefs import Middleware

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
USER, PASSWORD = "tuner", "a-password-nobody-may-see"


@dataclass
class FakeRegistry:
    """State, faults and a log. `fault` and `answer` are asked before each request and may take the registry's place."""

    address: str = ""
    auth: str = "none"
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    token_scopes: list[list[str]] = field(default_factory=list)
    fault: "Callable[[int, web.Request, FakeRegistry], Fault | None] | None" = None
    answer: Callable[[int], Handler | None] = lambda _: None
    upload_host: str = ""
    realm: str = ""
    allow_mount: bool = True
    referrers_api: bool = False

    def tag(self, path: str, tag: str) -> str | None:
        """The digest behind a tag."""
        raw = self.manifests.get(f"{path}:{tag}")
        return None if raw is None else f"sha256:{hashlib.sha256(raw).hexdigest()}"


@dataclass(frozen=True)
class Fault:
    """`before`: instead of the request's effect. `after`: the effect happens, but the answer is this."""

    kind: str
    status: int = 503
    headers: tuple[tuple[str, str], ...] = ()
    when: str = "before"
    body: bytes = b""


@asynccontextmanager
async def running(registry: FakeRegistry) -> AsyncIterator[FakeRegistry]:
    """Serve it on a free port of loopback."""
    app = web.Application(client_max_size=2**30, middlewares=[_faulty(registry), _authorized(registry)])
    app.add_routes(
        [
            web.route("*", "/token", partial(_token, registry)),
            web.route("*", "/{path:.*}", partial(_dispatch, registry)),
        ]
    )
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    registry.address = f"127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield registry
    finally:
        await runner.cleanup()


def _faulty(registry: FakeRegistry) -> Middleware:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        number = len(registry.log)
        registry.log.append(f"{request.method} {request.path_qs}")
        registry.authorizations.append(request.headers.get("Authorization"))
        instead = registry.answer(number)
        if instead is not None:
            return await instead(request)
        fault = registry.fault(number, request, registry) if registry.fault else None
        if fault is None:
            return await handler(request)
        answer = await handler(request) if fault.when == "after" else web.Response()
        return await _fail(registry, fault, request, answer)

    return middleware


async def _fail(
    registry: FakeRegistry, fault: Fault, request: web.Request, answer: web.StreamResponse
) -> web.StreamResponse:
    assert request.transport is not None
    match fault.kind:
        case "close":
            request.transport.close()
        case "reset":
            request.transport.abort()
        case "cut":
            # Half of the body is taken, as far as there is one, then the connection breaks.
            name = request.path.rpartition("/")[2]
            length, kept = int(request.headers.get("Content-Length") or 0), bytearray()
            while len(kept) < length // 2:
                kept += await request.content.read(max(1, length // 2 - len(kept)))
            if request.method == "PATCH" and name in registry.uploads:
                registry.uploads[name] += kept
            request.transport.close()
        case "torn":
            # The answer breaks off in the middle of its body or, without one, of its headers.
            body = answer.body if isinstance(answer, web.Response) and request.method != "HEAD" else None
            content = body if isinstance(body, bytes) else b""
            head = f"HTTP/1.1 {answer.status} OK\r\nContent-Length: {len(content)}\r\n\r\n".encode()
            request.transport.write(head[: len(head) if content else -9] + content[: len(content) // 2])
            request.transport.close()
        case "rubbish":
            request.transport.write(b"220 mail.example ESMTP\r\n\r\n")
            request.transport.close()
        case "silence":
            await asyncio.sleep(30)
        case _:
            return web.Response(status=fault.status, headers=dict(fault.headers), body=fault.body)
    return web.Response(status=500)


def _authorized(registry: FakeRegistry) -> Middleware:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "")
        basic = encode_basic_auth(USER, PASSWORD)
        if request.path == "/token" or registry.auth == "none":
            return await handler(request)
        if registry.auth == "basic" and given == basic:
            return await handler(request)
        if registry.auth == "bearer" and given.removeprefix("Bearer ") in registry.tokens:
            return await handler(request)
        realm = registry.realm or f"http://{registry.address}/token"
        challenge = "Basic realm=x" if registry.auth == "basic" else f'Bearer realm="{realm}",service="fake"'
        errors = {"errors": [{"code": "UNAUTHORIZED", "message": f"{PASSWORD} is wrong"}]}
        return web.json_response(errors, status=401, headers={"WWW-Authenticate": challenge})

    return middleware


async def _token(registry: FakeRegistry, request: web.Request) -> web.StreamResponse:
    form = await request.post()
    given = request.headers.get("Authorization", "")
    if given != encode_basic_auth(USER, PASSWORD) and form.get("refresh_token") != PASSWORD:
        errors = {"errors": [{"code": "DENIED", "message": f"you sent {given} for {PASSWORD}"}]}
        return web.json_response(errors, status=401)
    token = uuid.uuid4().hex
    registry.tokens.add(token)
    registry.token_scopes.append(request.query.getall("scope", []) or [str(form.get("scope"))])
    return web.json_response({"token": token, "expires_in": 300})


async def _dispatch(registry: FakeRegistry, request: web.Request) -> web.StreamResponse:
    match = re.fullmatch(r"/v2/(.+)/(blobs/uploads|blobs|manifests|referrers)/(.*)", request.path)
    if match is None:
        return web.Response(status=404)
    path, kind, name = match.groups()
    if kind == "referrers":
        return web.Response(status=404)
    if kind == "blobs/uploads":
        return await _upload(registry, request, path, name)
    held = registry.blobs if kind == "blobs" else registry.manifests
    key = name if kind == "blobs" or name.startswith("sha256:") else f"{path}:{name}"
    if request.method == "PUT":
        body = await request.read()
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        if name.startswith("sha256:") and name != digest:
            return web.Response(status=400)
        missing = [d for d in _named(body) if d not in registry.blobs]
        if missing:
            return web.json_response({"errors": [{"code": "MANIFEST_BLOB_UNKNOWN"}]}, status=404)
        registry.manifests[key] = registry.manifests[digest] = body
        subject = json.loads(body).get("subject") if registry.referrers_api else None
        listed = {"OCI-Subject": subject["digest"]} if subject else {}
        return web.Response(status=201, headers={"Docker-Content-Digest": digest, **listed})
    if key not in held:
        return web.Response(status=404)
    return _ranged(request, held[key])


def _named(manifest: bytes) -> list[str]:
    document = json.loads(manifest)
    return [entry["digest"] for entry in [document["config"], *document["layers"]]] if "config" in document else []


def _ranged(request: web.Request, data: bytes) -> web.StreamResponse:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    headers = {"Docker-Content-Digest": digest, "Content-Type": "application/octet-stream"}
    if data.startswith(b"{") and b"schemaVersion" in data:
        headers["Content-Type"] = json.loads(data).get("mediaType", "application/octet-stream")
    start = request.headers.get("Range", "").removeprefix("bytes=").rstrip("-")
    if start.isdigit():
        return web.Response(status=206, body=data[int(start) :], headers=headers)
    return web.Response(body=data, headers=headers)


async def _upload(registry: FakeRegistry, request: web.Request, path: str, name: str) -> web.StreamResponse:
    if request.method == "POST":
        mounted = request.query.get("mount")
        if mounted in registry.blobs and registry.allow_mount:
            return web.Response(status=201, headers={"Location": f"/v2/{path}/blobs/{mounted}"})
        name = uuid.uuid4().hex
        registry.uploads[name] = bytearray()
        return _at(registry, path, name, 202)
    if name not in registry.uploads:
        return web.json_response({"errors": [{"code": "BLOB_UPLOAD_UNKNOWN"}]}, status=404)
    held = registry.uploads[name]
    if request.method == "GET":
        return _at(registry, path, name, 204)
    if request.method == "DELETE":
        del registry.uploads[name]
        return web.Response(status=204)
    if request.method == "PATCH":
        start = int(request.headers["Content-Range"].partition("-")[0])
        if start != len(held):
            return web.Response(status=416, headers={"Range": f"0-{len(held) - 1}"})
        held += await request.read()
        return _at(registry, path, name, 202)
    held += await request.read()
    digest = f"sha256:{hashlib.sha256(held).hexdigest()}"
    if request.query["digest"] != digest:
        return web.json_response({"errors": [{"code": "DIGEST_INVALID"}]}, status=400)
    registry.blobs[digest] = bytes(registry.uploads.pop(name))
    return web.Response(status=201, headers={"Docker-Content-Digest": digest, "Location": f"/v2/{path}/blobs/{digest}"})


def _at(registry: FakeRegistry, path: str, name: str, status: int) -> web.Response:
    held = len(registry.uploads[name])
    location = f"{registry.upload_host}/v2/{path}/blobs/uploads/{name}?state={held}"
    return web.Response(status=status, headers={"Location": location, "Range": f"0-{max(held - 1, 0)}"})
