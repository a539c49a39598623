"""Images pushed into a real registry as strangers push them, and specs that name them."""

import gzip
import hashlib
import io
import json
import tarfile
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence

import pytest
from aiohttp import ClientSession

Layers = Sequence[tuple[bytes, str]]
Push = Callable[..., Awaitable[str]]

OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker"


@pytest.fixture
def layer_of() -> Callable[[Mapping[str, bytes]], bytes]:
    def make(files: Mapping[str, bytes]) -> bytes:
        sink = io.BytesIO()
        with tarfile.open(fileobj=sink, mode="w") as tar:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        return gzip.compress(sink.getvalue())

    return make


@pytest.fixture
def push(registry_address: str) -> Push:
    """Pushes layers as an image, OCI or Docker, alone or in an index; gives its reference."""

    async def put(layers: Layers, *, docker: bool = False, index: bool = False) -> str:
        name = f"data-{uuid.uuid4().hex[:8]}"
        base = f"http://{registry_address}/v2/{name}"
        kind = f"{DOCKER}.distribution.manifest.v2+json" if docker else f"{OCI}.manifest.v1+json"
        async with ClientSession() as session:
            config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers"}}).encode()
            blobs = [(config, f"{DOCKER}.container.image.v1+json" if docker else f"{OCI}.config.v1+json"), *layers]
            described = [await _blob(session, base, data, media_type) for data, media_type in blobs]
            manifest = {"schemaVersion": 2, "mediaType": kind, "config": described[0], "layers": described[1:]}
            raw = json.dumps(manifest).encode()
            digest = await _manifest(session, base, "latest", raw, kind)
            if index:
                kind_of_index = f"{DOCKER}.distribution.manifest.list.v2+json" if docker else f"{OCI}.index.v1+json"
                platform = {"architecture": "amd64", "os": "linux"}
                entry = {"mediaType": kind, "digest": digest, "size": len(raw), "platform": platform}
                several = {"schemaVersion": 2, "mediaType": kind_of_index, "manifests": [entry]}
                await _manifest(session, base, "latest", json.dumps(several).encode(), kind_of_index)
        return f"{registry_address}/{name}:latest"

    return put


async def _blob(session: ClientSession, base: str, data: bytes, media_type: str) -> dict[str, object]:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    async with session.post(f"{base}/blobs/uploads/") as answer:
        answer.raise_for_status()
        location = answer.headers["Location"]
    mark = "&" if "?" in location else "?"
    async with session.put(f"{location}{mark}digest={digest}", data=data) as answer:
        answer.raise_for_status()
    return {"mediaType": media_type, "digest": digest, "size": len(data)}


async def _manifest(session: ClientSession, base: str, name: str, raw: bytes, media_type: str) -> str:
    async with session.put(f"{base}/manifests/{name}", data=raw, headers={"Content-Type": media_type}) as answer:
        answer.raise_for_status()
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"
