"""The process that stages, checks and tokenises a waiting job's data before anybody has claimed the job.

    python -m services.trainer.prepare PARENT < request.json

It runs at a low priority on one core, and tells one JSON object a line: bytes while it stages, `staged`, and at
the end why it stopped early, if it did. It decides nothing about the job: whoever claims it finds what is there, and
finds faults again.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel

from schemas import store_keys
from schemas.failures import Reason
from schemas.records import SpecRecord
from services.common import base_models, logs
from services.common.errors import LorabusError, WorldError
from services.common.object_store import ObjectStore, open_store
from services.trainer.children.child_process import Forkserver
from services.trainer.children.parenthood import die_with
from services.trainer.children.pool import TO_CHECK
from services.trainer.dataset.preflight import preflight
from services.trainer.dataset.request import MEMORY_BYTES
from services.trainer.planning.hardware import detect
from services.trainer.settings import TrainerSettings
from services.trainer.stage import StagedDataset, stage

SHARE_OF_MEMORY, SHARE_OF_DISK = 8, 4
# For platforms without idle work. Niceness alone is little help: a nice process is not left at once when a thread of
# the training wakes, and all the others wait for that thread.
NICE = 10


class Request(BaseModel):
    """What is asked. `settings` are the trainer's, with what it knows of the store; it removes `scratch` itself."""

    job_id: str
    scratch: Path
    settings: dict[str, object]


def main() -> int:
    """0, also when nothing could be prepared."""
    die_with(int(sys.argv[1]))
    step_aside()
    request = Request.model_validate_json(sys.stdin.buffer.read())
    settings = TrainerSettings.model_validate(request.settings)
    logs.configure(settings, "trainer")
    try:
        asyncio.run(_until_told(request.job_id, request.scratch, settings))
    except LorabusError as error:
        _tell(failed=str(error))
    except asyncio.CancelledError:
        _tell(failed="the machine is wanted for something else")
    return 0


def step_aside() -> None:
    """Take what is left of one core, and little of it where a training wants all; children and threads inherit it."""
    os.nice(NICE)
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with suppress(OSError):
        # If memory runs out all the same, this goes first.
        Path("/proc/self/oom_score_adj").write_text("1000")


async def _until_told(job_id: str, scratch: Path, settings: TrainerSettings) -> None:
    """SIGTERM ends it in order: an upload is aborted, not left half done."""
    preparing = asyncio.ensure_future(prepare(job_id, scratch, settings))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, preparing.cancel)
    await preparing


async def prepare(job_id: str, scratch: Path, settings: TrainerSettings) -> None:
    """Leave dataset and tokens in the store. Raises what stands in the way."""
    store = open_store(settings)
    raw = await store.get(store_keys.spec(job_id))
    if raw is None:
        return
    record = SpecRecord.model_validate_json(raw)
    scratch.mkdir(parents=True, exist_ok=True)
    # A training needs room for its checkpoints on the same disk.
    room = shutil.disk_usage(scratch).free // SHARE_OF_DISK
    bounded = settings.model_copy(update={"source_max_bytes": min(settings.source_max_bytes, room)})
    dataset = await stage(record.spec, store, bounded, on_progress=_on_progress)
    _tell(staged=True)
    if dataset.size > room:
        raise WorldError(Reason.DISK_FULL, f"{scratch} has no room to spare for {dataset.size} bytes")
    await _tokenise(record, dataset, store, scratch, settings)


async def _tokenise(
    record: SpecRecord, dataset: StagedDataset, store: ObjectStore, scratch: Path, settings: TrainerSettings
) -> None:
    model_folder = base_models.here(record.spec.preset, record.spec.model.revision, settings)
    if model_folder is None:
        return
    checks = Forkserver(TO_CHECK)
    try:
        await preflight(
            record.spec,
            dataset,
            store,
            scratch,
            model_folder,
            settings=settings,
            checks=checks,
            memory_bytes=min(MEMORY_BYTES, detect().memory_bytes // SHARE_OF_MEMORY),
        )
    finally:
        checks.close()


async def _on_progress(done: int, total: int | None) -> None:
    _tell(bytes=done, total_bytes=total)


def _tell(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


if __name__ == "__main__":
    sys.exit(main())
