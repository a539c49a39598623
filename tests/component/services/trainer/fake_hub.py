"""A hub as huggingface_hub's own client takes it: the list of files, `resolve`, and a second server for large files."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

COMMIT = "c0fb9e74abda11b496b7907a9c6c9009a7a0488f"


@dataclass
class FakeHub:
    """One repository, `org/model`. What it does wrong is set by the test."""

    files: dict[str, bytes]
    address: str = ""
    large_address: str = ""
    token: str | None = None
    breaks_after: int | None = None
    lies: frozenset[str] = frozenset()
    elsewhere: str | None = None
    down: bool = False
    asked: list[str] = field(default_factory=list)
    sent: int = 0
    ranges: list[str] = field(default_factory=list)
    seen_by_large: set[str | None] = field(default_factory=set)

    async def listing(self, request: web.Request) -> web.Response:
        if self.down:
            return web.Response(status=503)
        if request.match_info["revision"] not in (COMMIT, "main"):
            return web.json_response({"error": "no"}, status=404, headers={"X-Error-Code": "RevisionNotFound"})
        siblings = [_described(name, content) for name, content in self.files.items()]
        return web.json_response({"id": "org/model", "sha": COMMIT, "siblings": siblings})

    async def resolve(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        self.asked.append(name)
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({}, status=401, headers={"X-Error-Code": "GatedRepo"})
        content = self.files[name]
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{_git_hash(content)}"'}
        if not _is_large(name):
            return web.Response(body=self._content(name), headers=headers)
        linked = {"X-Linked-Etag": f'"{_sha256(content)}"', "X-Linked-Size": str(len(content))}
        location = f"{self.elsewhere or self.large_address}/{name}?signature=s3cret"
        return web.Response(status=302, headers={**headers, **linked, "Location": location})

    async def large(self, request: web.Request) -> web.StreamResponse:
        self.seen_by_large.add(request.headers.get("Authorization"))
        content = self._content(request.match_info["name"])
        asked = request.headers.get("Range", "bytes=0-")
        self.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").partition("-")[0])
        headers = {"Content-Length": str(len(content) - start), "Accept-Ranges": "bytes"}
        if "Range" in request.headers:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        response = web.StreamResponse(status=206 if "Range" in request.headers else 200, headers=headers)
        await response.prepare(request)
        end = len(content) if self.breaks_after is None else min(len(content), start + self.breaks_after)
        await response.write(content[start:end])
        self.sent += end - start
        if end < len(content) and request.transport is not None:
            request.transport.close()
        return response

    def _content(self, name: str) -> bytes:
        content = self.files[name]
        return content[:-1] + bytes([content[-1] ^ 1]) if name in self.lies else content


@asynccontextmanager
async def running(hub: FakeHub) -> AsyncIterator[FakeHub]:
    """With its two servers, on free ports."""
    front, back = web.Application(), web.Application()
    front.router.add_get("/api/models/org/model/revision/{revision}", hub.listing)
    front.router.add_get("/org/model/resolve/{revision}/{name}", hub.resolve)
    back.router.add_get("/{name}", hub.large)
    runners = [web.AppRunner(app, shutdown_timeout=0.1) for app in (front, back)]
    addresses = []
    for runner in runners:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        addresses.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
    hub.address, hub.large_address = addresses
    try:
        yield hub
    finally:
        for runner in runners:
            await runner.cleanup()


def _described(name: str, content: bytes) -> dict[str, object]:
    told: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": _git_hash(content)}
    if _is_large(name):
        told["lfs"] = {"sha256": _sha256(content), "size": len(content), "pointerSize": 135}
    return told


def _is_large(name: str) -> bool:
    return name.endswith((".safetensors", ".bin"))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
