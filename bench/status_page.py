"""The status page with many jobs: how long a page takes and how large it is, beside the JSON API and a page of few.

python -m bench.status_page [--jobs 10000] [--asked 40]

One ingest application on a read model in a file, served by uvicorn in this process and asked over HTTP, one request
after the other; the median is printed. A job's page is that of a training with 2,000 steps.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import orjson
from fastapi import FastAPI, Response

from schemas.events import State
from schemas.jobs import JobRow, Progress
from services.ingest.http_jobs import Jobs, jobs_router
from services.ingest.http_server import serve
from services.ingest.kafka_log import KafkaLog
from services.ingest.pages.links import Links
from services.ingest.pages.routes import pages_router
from services.ingest.read_model import ReadModel, open_read_model
from services.ingest.read_records import stored_job
from services.ingest.read_tables import StoredEvent

START = datetime(2026, 1, 1, tzinfo=UTC)
STATES = (*[State.SUCCEEDED] * 7, State.FAILED, State.RUNNING, State.PENDING)
STEPS = 2000
FEW = 50


def row(number: int) -> JobRow:
    """One job of many; most have succeeded."""
    state, name = STATES[number % len(STATES)], f"answers-{number}"
    return JobRow(
        job_id=f"team-{number % 20}.{name}.{number:012x}",
        namespace=f"team-{number % 20}",
        name=name,
        preset="tiny",
        method="lora",
        state=state,
        kaito_state=state.kaito,
        created_at=START + timedelta(seconds=number),
        updated_at=START + timedelta(seconds=number + 60),
        progress=Progress(step=50, total_steps=100, loss=1.25, tokens_per_second=1500, eta_seconds=60),
    )


def events(job_id: str) -> Iterable[StoredEvent]:
    """A long training, each step told."""
    head = {"jobId": job_id, "attempt": 1, "state": "running", "totalSteps": STEPS, "epoch": 1.0, "tokens": 1}
    for step in range(1, STEPS + 1):
        time_ = (START + timedelta(seconds=step)).isoformat()
        told = {**head, "type": "training.progress", "time": time_, "sequence": step, "step": step, "loss": 4 / step}
        yield StoredEvent(0, step, job_id, f"{job_id}:{step}", orjson.dumps(told).decode())


@asynccontextmanager
async def serving(jobs: int) -> AsyncIterator[tuple[str, str]]:
    """An ingest that knows so many jobs; gives its address and the newest job."""
    with tempfile.TemporaryDirectory() as folder:
        async with open_read_model(Path(folder), KafkaLog("bench", {}, {})) as model:
            rows = [row(number) for number in range(jobs)]
            await model.apply([stored_job(each) for each in rows], list(events(rows[-1].job_id)), {})
            async with serve(application(model), "127.0.0.1", 0) as address:
                yield f"http://{address}", rows[-1].job_id


def application(model: ReadModel) -> FastAPI:
    """Only what reads: no store, no Kafka."""
    jobs = Jobs(None, None, None, model)  # type: ignore[arg-type]
    app = FastAPI()
    app.include_router(pages_router(jobs, Links()))
    app.include_router(jobs_router(jobs))
    app.get("/nothing")(nothing)
    return app


async def nothing() -> Response:
    """What an answer costs that says nothing."""
    return Response("")


async def measure(base: str, path: str, asked: int) -> tuple[float, int]:
    """Median milliseconds, and bytes."""
    took, size = [], 0
    async with aiohttp.ClientSession(base) as session:
        for _ in range(asked):
            began = time.perf_counter()
            async with session.get(path) as answer:
                size = len(await answer.read())
                answer.raise_for_status()
            took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took), size


async def main(jobs: int, asked: int) -> None:
    """Print one line a page."""
    lines = []
    for count in (FEW, jobs):
        async with serving(count) as (base, job_id):
            pages = {"the list": "/", "found by name": "/?q=answers-7", "one state": "/?state=failed"}
            pages |= {"one job": f"/jobs/{job_id}", "JSON, the same 50": "/v1/jobs?limit=50", "nothing": "/nothing"}
            lines += [(count, name, *await measure(base, path, asked)) for name, path in pages.items()]
    print(f"{'jobs':>7}  {'page':<20}{'ms':>8}{'kB':>8}")
    for count, name, took, size in lines:
        print(f"{count:>7,}  {name:<20}{took:>8.1f}{size / 1000:>8.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--asked", type=int, default=40)
    given = parser.parse_args()
    asyncio.run(main(given.jobs, given.asked))
