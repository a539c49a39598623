"""One attempt of one job: stage the dataset, check it, train in a child process, hand the adapter to the publisher.

What is done is never done again: an adapter whose manifest is complete is only handed over, a dataset or packed
tokens in the store are found there, training goes on from the newest complete checkpoint.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import structlog

from schemas import store_keys
from schemas.events.dataset import DatasetChecked, DatasetStaged, StagedFile
from schemas.events.job import JobCancelled, JobClaimed, JobFailed, JobQueued
from schemas.failures import Reason
from schemas.records import AdapterManifest, SpecRecord
from services.common import telemetry
from services.common.ending import end_job, read_result
from services.common.errors import JobError, UserError, WorldError
from services.common.journal import Clock, Journal, Publish
from services.common.object_store import ObjectStore
from services.trainer.ahead import Ahead
from services.trainer.arriving import dataset_events, model_events
from services.trainer.base_model import find_base_model, preset_of, read_model_facts
from services.trainer.checkpoint_store import newest_step
from services.trainer.children.pool import ChildResult, TrainerPool
from services.trainer.claim import Lease
from services.trainer.dataset.preflight import DatasetRefused, preflight
from services.trainer.hand_over import read_manifest, store_adapter, tell_publisher
from services.trainer.interrupt import unless, until_done_or_interrupted
from services.trainer.metrics import Metrics
from services.trainer.planning.duration import estimate_seconds
from services.trainer.planning.hardware import detect
from services.trainer.planning.plan import Folders, TrainPlan, make_plan
from services.trainer.settings import TrainerSettings
from services.trainer.stage import StagedDataset, stage
from services.trainer.train import Training, train

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Parts:
    """What every job of this trainer shares."""

    store: ObjectStore
    publish: Publish
    pool: TrainerPool
    settings: TrainerSettings
    metrics: Metrics
    clock: Clock
    ahead: Ahead | None = None


async def run_job(parts: Parts, lease: Lease, stopping: asyncio.Event) -> None:
    """Work on a claimed job to the end of this attempt; never raises for what belongs to the job."""
    record = await _spec(parts.store, lease.job_id)
    journal = Journal(
        parts.publish,
        job_id=lease.job_id,
        attempt=lease.attempt,
        source="trainer",
        traceparent=record.traceparent,
        clock=parts.clock,
    )
    ended = await read_result(parts.store, lease.job_id)
    if ended is not None:
        await journal.send(ended.event)
        return
    stop = asyncio.Event()
    async with _scratch(parts.settings, lease) as scratch:
        work = asyncio.create_task(_work(parts, record, lease, journal, scratch, stop))
        interrupted = await until_done_or_interrupted(work, lease, stopping, stop, parts.settings.grace_seconds)
        await _conclude(parts, record, lease, journal, work, interrupted)


async def _work(
    parts: Parts, record: SpecRecord, lease: Lease, journal: Journal, scratch: Path, stop: asyncio.Event
) -> bool:
    """Give True once the adapter is handed over, False when `stop` ended the training before."""
    claimed_at = monotonic()
    attributes: telemetry.Attributes = {"lorabus.job.id": record.job_id, "lorabus.attempt": lease.attempt}
    links = (lease.previous,) if lease.previous else ()
    with telemetry.span("job.attempt", record.traceparent, attributes, links=links) as here:
        step = await newest_step(parts.store, record.job_id) if lease.attempt > 1 else None
        await journal.emit(JobClaimed, worker=lease.worker, resumed_from_step=step)
        manifest = await read_manifest(parts.store, record.job_id)
        if manifest is None:
            prepared = await unless(stop, _prepare(parts, record, journal, scratch, here))
            if prepared is None:
                return False
            plan, digest = prepared
            training = Training(plan, scratch, parts.store, journal, parts.metrics, here, claimed_at)
            async with parts.ahead.beside() if parts.ahead else nullcontext():
                result = await train(training, parts.pool, stop, parts.settings.job_seconds)
            if result.finished is None:
                return False
            manifest = await _store(parts, record, lease, result, digest, here)
        await tell_publisher(manifest, journal, parts.publish)
        await lease.hand_over()
        return True


async def _prepare(
    parts: Parts, record: SpecRecord, journal: Journal, scratch: Path, trace: str
) -> tuple[TrainPlan, str]:
    """The plan, and the digest of the dataset. It may be cancelled at any moment: what is staged by then is kept."""
    on_progress = model_events(journal, parts.metrics, record.spec.model)
    with telemetry.span("model.stage", trace, {"lorabus.base_model": record.spec.model.repository}):
        model_folder = await find_base_model(record.spec, parts.store, parts.settings, on_progress)
    dataset = await _stage(parts, record, journal, trace)
    return await _check(parts, record, journal, dataset, model_folder, scratch, trace), dataset.digest


async def _stage(parts: Parts, record: SpecRecord, journal: Journal, trace: str) -> StagedDataset:
    with telemetry.span("dataset.stage", trace, {"lorabus.job.id": record.job_id}):
        with parts.metrics.stage_seconds.time():
            on_progress = dataset_events(journal, parts.metrics)
            if parts.ahead is not None:
                await parts.ahead.settle(record.job_id, on_progress)
            dataset = await stage(
                record.spec,
                parts.store,
                parts.settings,
                on_progress=on_progress,
                note=parts.metrics.edges.registry_request,
            )
        telemetry.set_attributes({"lorabus.dataset.digest": dataset.digest, "lorabus.dataset.reused": dataset.reused})
    files = [StagedFile(name=file.name, digest=file.digest, size=file.size) for file in dataset.files]
    await journal.emit(DatasetStaged, digest=dataset.digest, files=files, reused=dataset.reused)
    return dataset


async def _check(
    parts: Parts,
    record: SpecRecord,
    journal: Journal,
    dataset: StagedDataset,
    model_folder: Path,
    scratch: Path,
    trace: str,
) -> TrainPlan:
    with telemetry.span("dataset.check", trace, {"lorabus.job.id": record.job_id}):
        try:
            checked = await preflight(
                record.spec,
                dataset,
                parts.store,
                scratch,
                model_folder,
                settings=parts.settings,
                checks=parts.pool.checks,
            )
        except DatasetRefused as refused:
            await journal.emit(DatasetChecked, **refused.facts)
            raise
        model, hardware = read_model_facts(model_folder), detect(parts.settings.job_memory_bytes)
        plan = make_plan(
            record.spec,
            preset_of(record.spec),
            checked.data,
            model,
            hardware,
            Folders(model=str(model_folder), tokens=str(checked.tokens_folder)),
            job_id=record.job_id,
            cpu_threads=parts.settings.cpu_threads,
        )
    seconds = estimate_seconds(plan, checked.data, model, hardware)
    planned = {"planned_steps": plan.total_steps, "memory_bytes": plan.memory_bytes, "time_seconds": seconds}
    await journal.emit(DatasetChecked, **planned, **checked.facts)
    return plan


async def _store(
    parts: Parts, record: SpecRecord, lease: Lease, result: ChildResult, dataset_digest: str, trace: str
) -> AdapterManifest:
    assert result.finished is not None  # noqa: S101 - the caller has looked; this tells the type checker.
    with telemetry.span("adapter.store", trace, {"lorabus.job.id": record.job_id}):
        return await store_adapter(
            parts.store,
            record,
            result.adapter_folder,
            attempt=lease.attempt,
            metrics=result.finished.metrics,
            trained_tokens=result.finished.trained_tokens,
            dataset_digest=dataset_digest,
            at=parts.clock(),
            compression=parts.settings.layer_compression,
        )


async def _conclude(
    parts: Parts,
    record: SpecRecord,
    lease: Lease,
    journal: Journal,
    work: "asyncio.Task[bool]",
    interrupted: str | None,
) -> None:
    if interrupted == "lost":
        parts.metrics.leases_lost.inc()
        log.warning("lease lost, job left alone", job_id=lease.job_id, attempt=lease.attempt)
        return
    if interrupted == "cancelled":
        await end_job(parts.store, journal, lease.job_id, lease.attempt, JobCancelled)
        parts.metrics.ended("cancelled")
        return
    if interrupted == "stopping":
        await _give_back(record, lease, journal, 0.0, "WorkerStopped", "the trainer was told to stop")
        return
    error = work.exception()
    if error is None:
        parts.metrics.ended("trained")
    elif isinstance(error, UserError):
        await _fail(parts, lease, journal, error.reason, error.message)
    else:
        await _retry_or_give_up(parts, record, lease, journal, _as_world_error(error, lease))


async def _retry_or_give_up(parts: Parts, record: SpecRecord, lease: Lease, journal: Journal, error: JobError) -> None:
    limit = parts.settings.max_attempts
    if lease.attempt >= limit:
        message = f"{limit} attempts failed; the last one: {error.reason}: {error.message}"
        await _fail(parts, lease, journal, Reason.ATTEMPTS_EXHAUSTED, message)
        return
    wait = parts.settings.retry_seconds * 2 ** (lease.attempt - 1)
    log.warning("attempt failed", job_id=lease.job_id, attempt=lease.attempt, reason=error.reason, error=error.message)
    parts.metrics.ended("retried")
    await _give_back(record, lease, journal, wait, error.reason, error.message)


async def _give_back(
    record: SpecRecord, lease: Lease, journal: Journal, wait: float, reason: str, message: str
) -> None:
    await lease.release(retry_after=wait, reason=reason, message=message)
    await journal.emit(JobQueued, spec_digest=record.spec_digest, reason=reason, message=message, retry_after=wait)


async def _fail(parts: Parts, lease: Lease, journal: Journal, reason: Reason, message: str) -> None:
    data = {"reason": reason, "retryable": reason.retryable, "message": message, "help": reason.help}
    await end_job(parts.store, journal, lease.job_id, lease.attempt, JobFailed, **data)
    parts.metrics.ended("failed")


def _as_world_error(error: BaseException, lease: Lease) -> JobError:
    if isinstance(error, JobError):
        return error
    log.error("attempt broke", job_id=lease.job_id, attempt=lease.attempt, exc_info=error)
    return WorldError(Reason.INTERNAL, f"{type(error).__name__}: {error}"[:500])


async def _spec(store: ObjectStore, job_id: str) -> SpecRecord:
    raw = await store.get(store_keys.spec(job_id))
    if raw is None:
        raise WorldError(Reason.STORE_UNAVAILABLE, f"{store_keys.spec(job_id)} is not in {store.address}")
    return SpecRecord.model_validate_json(raw)


@asynccontextmanager
async def _scratch(settings: TrainerSettings, lease: Lease) -> AsyncIterator[Path]:
    folder = settings.scratch_folder / f"{lease.job_id}.{lease.attempt}"
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
