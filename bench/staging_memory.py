"""How much memory staging takes above its start, however large the file: a web server makes the bytes as they are sent.

    python -m bench.staging --memory [--mib 2048]

`tests/integration/services/trainer/stage/test_minio.py` measures the same at a smaller size.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from bench.specs import spec_of
from deploy.native.process import free_port
from schemas.workspace import InputSpec
from services.common.object_store import open_store
from services.trainer.stage import stage
from services.trainer.stage.settings import StagingSettings

MIB = 1024 * 1024
_SERVER = """
import os, sys
from aiohttp import web

async def answer(request):
    size = int(request.match_info["mib"])
    response = web.StreamResponse(headers={"Content-Length": str(size << 20)})
    await response.prepare(request)
    block = os.urandom(1 << 20)
    for number in range(size):
        await response.write(number.to_bytes(8) + block[8:])
    return response

app = web.Application()
app.router.add_get("/{mib}.csv", answer)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=lambda *_: print("ready", flush=True))
"""


@contextmanager
def bytes_server() -> Iterator[str]:
    """Gives an address under which `/<n>.csv` has n MiB that never lie on a disk."""
    with served(_SERVER) as address:
        yield address


@contextmanager
def served(code: str, *arguments: str) -> Iterator[str]:
    """Runs a web server that takes its port as the first argument and prints a line once it listens."""
    port = free_port()
    command = [sys.executable, "-c", code, str(port), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


async def staged_memory(source: InputSpec, settings: StagingSettings) -> int:
    """Stage; gives the bytes of memory that this process took above its start at most."""

    async def on_progress(_done: int, _total: int | None) -> None:
        return None

    store, process = open_store(settings), psutil.Process()
    before = process.memory_info().rss
    with peak_memory(process) as peak:
        await stage(spec_of(source), store, settings, on_progress=on_progress)
    return peak[0] - before


@contextmanager
def peak_memory(process: psutil.Process) -> Iterator[list[int]]:
    """The largest resident size while the block runs."""
    peak, done = [process.memory_info().rss], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


async def measure(mib: int, settings: StagingSettings) -> str:
    """One line for people."""
    with bytes_server() as address:
        began = time.perf_counter()
        added = await staged_memory(InputSpec(kind="urls", urls=(f"{address}/{mib}.csv",)), settings)
        seconds = time.perf_counter() - began
    return f"{mib} MiB in {seconds:.1f} s ({mib / seconds:.0f} MiB/s), at most {added / MIB:.0f} MiB above the start"
