"""How much memory a push takes above its start, however large the adapter: a registry that forgets takes the bytes.

    python -m bench.publishing --memory [--mib 4096]

The weights are a file full of holes, so neither disk nor registry holds them; the registry is another process.
`tests/integration/services/publisher/test_memory.py` measures the same at a smaller size.
"""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from bench.staging_memory import MIB, peak_memory, served
from schemas import store_keys
from schemas.events.training import AdapterFile
from schemas.records import AdapterManifest, SpecRecord, as_json
from tests.component.services.publisher.harness import Bench, make_bench
from tests.component.services.publisher.jobs import to_image, trained_job, write_secret

WEIGHTS = "adapter_model.safetensors"
_REGISTRY = """
import hashlib, sys
from aiohttp import web

blobs, manifests, uploads = {}, {}, {}

def location(name):
    return {"Location": f"/v2/sink/blobs/uploads/{name}", "Range": f"0-{max(uploads[name] - 1, 0)}"}

async def answer(request):
    kind, name = request.match_info["kind"], request.match_info["name"]
    if kind == "manifests" and request.method == "PUT":
        raw = await request.read()
        digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
        manifests[name] = manifests[digest] = raw
        return web.Response(status=201, headers={"Docker-Content-Digest": digest})
    if kind == "manifests":
        raw = manifests.get(name)
        return web.Response(status=404) if raw is None else web.Response(body=raw)
    return web.Response(headers={"Content-Length": str(blobs[name])}) if name in blobs else web.Response(status=404)

async def upload(request):
    name = request.match_info.get("name") or str(len(uploads))
    uploads.setdefault(name, 0)
    async for chunk in request.content.iter_any():
        uploads[name] += len(chunk)
    if request.method == "PUT":
        blobs[request.query["digest"]] = uploads[name]
        return web.Response(status=201)
    return web.Response(status=204 if request.method == "GET" else 202, headers=location(name))

app = web.Application(client_max_size=2**60)
app.router.add_route("*", "/v2/sink/blobs/uploads/{name:.*}", upload)
app.router.add_route("*", "/v2/sink/{kind}/{name}", answer)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=lambda *_: print("ready", flush=True))
"""


@contextmanager
def forgetful_registry() -> Iterator[str]:
    """Gives the address of a registry with one repository, `sink`, that counts bytes and keeps none of a blob."""
    with served(_REGISTRY) as address:
        yield address.removeprefix("http://")


async def pushed_memory(home: Path, mib: int) -> int:
    """Push so many MiB of weights; gives the bytes of memory that this process took above its start at most."""
    with forgetful_registry() as address:
        bench = make_bench(home, insecure_registries=address)
        write_secret(bench.settings.secrets_dir, address)
        record = await _job_with_holes(bench, address, mib)
        publisher, process = bench.publisher(), psutil.Process()
        before = process.memory_info().rss
        with peak_memory(process) as peak:
            result = await publisher.publish(record.job_id, 1)
        if result is None or result.state.value != "succeeded":
            raise SystemExit(f"the job ended as {result}")
        return peak[0] - before


async def _job_with_holes(bench: Bench, address: str, mib: int) -> SpecRecord:
    record = await trained_job(bench.store, to_image(f"{address}/sink:v1"))
    folder, running = bench.settings.home / "store" / store_keys.adapter(record.job_id), hashlib.sha256()
    with (folder / WEIGHTS).open("wb") as file:
        file.truncate(mib * MIB)
    for _ in range(mib):
        running.update(bytes(MIB))
    raw = await bench.store.get(store_keys.adapter_manifest(record.job_id))
    manifest = AdapterManifest.model_validate_json(raw or b"")
    weights = AdapterFile(name=WEIGHTS, digest=f"sha256:{running.hexdigest()}", size=mib * MIB)
    files = [weights if file.name == WEIGHTS else file for file in manifest.files]
    changed = manifest.model_copy(update={"files": files})
    await bench.store.put(store_keys.adapter_manifest(record.job_id), as_json(changed))
    return record


async def measure(home: Path, mib: int) -> str:
    """One line for people."""
    began = time.perf_counter()
    taken = await pushed_memory(home, mib)
    return f"pushed {mib} MiB in {time.perf_counter() - began:.1f} s; {taken / MIB:.0f} MiB of memory above the start"
