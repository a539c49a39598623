"""From claim to first step on a warm trainer, with where the time goes.

    python -m bench.first_step [--jobs 3] [--rows 200] [--threads 2]

Jobs one after the other through the trainer's own `run_job`: a file store, the `tiny` model, rows from a volume, no
Kafka (events are only kept). Each job has rows of its own, so that nothing comes out of a cache. Beside the seconds
stand processor seconds of the trainer and all that it has started: on a busy machine only these can be compared.
"""

import argparse
import asyncio
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

from bench.specs import spec_of
from examples import python_docs
from schemas import store_keys
from schemas.envelope import decode
from schemas.records import SpecRecord, as_json
from schemas.workspace import InputSpec, ResolvedSpec, VolumeSource
from services.common.journal import now
from services.common.object_store import open_store
from services.trainer.children.pool import TrainerPool
from services.trainer.claim import Lease, claim
from services.trainer.metrics import Metrics
from services.trainer.run import Parts, run_job
from services.trainer.settings import TrainerSettings

TINY = Path(__file__).parents[1] / "examples" / "tiny"
MOMENTS = ("job.claimed", "dataset.staged", "dataset.checked", "training.started", "training.progress")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Watched:
    """Keeps when each type of event was first sent, and what processor time had been used by then."""

    def __init__(self) -> None:
        self.moments: dict[str, tuple[float, float]] = {}
        self.last: dict[str, object] = {}

    async def __call__(
        self, _topic: str, _key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]]
    ) -> None:
        """Take the place of Kafka."""
        event = decode(value, headers)
        self.last = event.data or {}
        kind = event.type.removeprefix("lorabus.").removesuffix(".v1")
        if kind != "training.progress" or "loss" in self.last:
            self.moments.setdefault(kind, (time.monotonic(), _work()))


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="lorabus-bench-") as name:
        runs = asyncio.run(_measure(options, Path(name)))
    print(f"{'seconds (processor seconds)':28}", *(f"{moment:>20}" for moment in (*MOMENTS[1:], "claim to step")))
    for number, moments in enumerate(runs, start=1):
        pairs = [*itertools.pairwise(MOMENTS), (MOMENTS[0], MOMENTS[-1])]
        print(f"{f'job {number}':28}", *(f"{_between(moments, *pair):>20}" for pair in pairs))
    return 0


async def _measure(options: argparse.Namespace, home: Path) -> list[dict[str, tuple[float, float]]]:
    (home / "models").mkdir()
    (home / "models" / "tiny").symlink_to(TINY)
    settings = TrainerSettings(home=home, cpu_threads=options.threads)
    pool = TrainerPool(cpu_threads=options.threads)
    pool.start()
    try:
        await pool.warm()
        return [await _job(settings, pool, number, options.rows) for number in range(options.jobs)]
    finally:
        pool.close()


async def _job(settings: TrainerSettings, pool: TrainerPool, number: int, rows: int) -> dict[str, tuple[float, float]]:
    store, watched, job_id = open_store(settings), Watched(), f"bench.first-step.{number:012d}"
    data = settings.volumes_dir / f"rows-{number}"
    data.mkdir(parents=True)
    chosen = list(itertools.islice(python_docs.rows_apart(), number * rows, (number + 1) * rows))
    lines = [{"prompt": row.prompt, "completion": row.completion} for row in chosen]
    (data / "rows.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    record = SpecRecord(job_id=job_id, spec_digest="0", spec=_spec(data.name), accepted_at=now(), traceparent=TRACE)
    await store.put(store_keys.spec(job_id), as_json(record))
    await claim(store, job_id, 1, settings.worker, now)
    lease = Lease(store, job_id, 1, settings.worker, settings.lease_seconds)
    await run_job(Parts(store, watched, pool, settings, Metrics(), now), lease, asyncio.Event())
    if "training.progress" not in watched.moments:
        raise SystemExit(f"job {number + 1} did not train: {watched.last}")
    return watched.moments


def _spec(volume: str) -> ResolvedSpec:
    return spec_of(
        InputSpec(kind="volume", volume=VolumeSource(claim_name=volume)),
        LoraConfig={"r": 8, "target_modules": "all-linear"},
        TrainingArguments={"learning_rate": 2e-4, "max_steps": 3, "per_device_train_batch_size": 1},
        DatasetConfig={"train_test_split": 1},
    )


def _work() -> float:
    """Processor seconds of this process and of everything below it, what has ended included."""
    total = 0.0
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _between(moments: dict[str, tuple[float, float]], first: str, last: str) -> str:
    seconds, work = (end - begin for begin, end in zip(moments[first], moments[last], strict=True))
    return f"{seconds:.2f} ({work:.2f})"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=3)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
