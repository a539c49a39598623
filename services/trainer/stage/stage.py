"""Brings whatever the job's input names into the object store: complete, verified, each byte once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import stamina
from aiohttp import ClientSession
from aiohttp.abc import AbstractResolver

from schemas.failures import Reason
from schemas.workspace import ResolvedSpec, VolumeSource
from services.common import telemetry
from services.common.errors import JobError, UserError, WorldError
from services.common.object_store import ObjectStore
from services.common.registry.transport import Note
from services.trainer.stage.files import SourceRecord, StagedDataset, assemble
from services.trainer.stage.http import open_session
from services.trainer.stage.images import stage_image
from services.trainer.stage.limits import Budget
from services.trainer.stage.progress import OnProgress, Progress
from services.trainer.stage.settings import StagingSettings
from services.trainer.stage.transfer import Staged, Transfer, staged
from services.trainer.stage.urls import stage_url
from services.trainer.stage.volumes import Volume, VolumeFile, find_volume, list_files, read_file

Step = Callable[[], Awaitable[Staged]]
T = TypeVar("T")


async def stage(
    spec: ResolvedSpec,
    store: ObjectStore,
    settings: StagingSettings,
    *,
    on_progress: OnProgress,
    resolver: AbstractResolver | None = None,
    note: Note = lambda *_: None,
) -> StagedDataset:
    """Give the staged files in the order of the input.

    `resolver` replaces the system's name lookup; `note` is told of each request to a registry.
    """
    transfer = Transfer(store, settings, Budget(settings), Progress(on_progress), note)
    try:
        async with asyncio.timeout(settings.source_seconds):
            parts = await _stage(spec, transfer, resolver)
    except TimeoutError as error:
        raise WorldError(
            Reason.SOURCE_UNAVAILABLE,
            f"the dataset did not arrive within {settings.source_seconds:g} s (LORABUS_SOURCE_SECONDS)",
        ) from error
    await transfer.progress.finish()
    return assemble([part.file for part in parts], reused=all(part.reused for part in parts))


async def _stage(spec: ResolvedSpec, transfer: Transfer, resolver: AbstractResolver | None) -> list[Staged]:
    if spec.input.kind == "urls":
        return await _stage_urls(spec.input.urls, transfer, resolver)
    any_extension = spec.config.dataset.dataset_extension is not None
    if spec.input.volume is not None:
        return await _stage_volume(spec.input.volume, transfer, any_extension=any_extension)
    with telemetry.span("dataset.stage.source", None, {"lorabus.source": "image"}):
        return await _patiently(
            lambda: stage_image(spec.input, transfer, any_extension=any_extension), transfer.settings
        )


async def _stage_urls(urls: Sequence[str], transfer: Transfer, resolver: AbstractResolver | None) -> list[Staged]:
    async with open_session(transfer.settings, resolver) as session:
        steps = [_url_step(number, url, transfer, session) for number, url in enumerate(urls, start=1)]
        transfer.progress.sources(len(steps))
        return await _in_parallel(steps, transfer.settings)


def _url_step(number: int, url: str, transfer: Transfer, session: ClientSession) -> Step:
    return lambda: stage_url(session, url, number, transfer)


async def _stage_volume(source: VolumeSource, transfer: Transfer, *, any_extension: bool) -> list[Staged]:
    volume = find_volume(source, transfer.settings)
    files = await asyncio.to_thread(list_files, volume, transfer.settings, any_extension=any_extension)
    if not files:
        raise UserError(
            Reason.DATASET_EMPTY,
            f"{volume.label} holds no data file: expected .csv, .json, .jsonl, .parquet, .arrow or .tar "
            f"(or set DatasetConfig.dataset_extension)",
        )
    transfer.progress.sources(len(files))
    steps = [_file_step(volume, file, transfer) for file in files]
    return await _in_parallel(steps, transfer.settings)


def _file_step(volume: Volume, file: VolumeFile, transfer: Transfer) -> Step:
    return lambda: _stage_file(volume, file, transfer)


async def _stage_file(volume: Volume, file: VolumeFile, transfer: Transfer) -> Staged:
    source = f"{volume.label}/{file.name}"
    known = await transfer.known(source)
    if known is not None and known[0].fingerprint == file.fingerprint:
        transfer.progress.expect(source, 0)
        return staged(file.name, known[1], reused=True)
    transfer.progress.expect(source, file.size)
    blob = await transfer.copy(source, file.name, read_file(volume, file.name))
    record = SourceRecord(name=file.name, digest=blob.digest, fingerprint=file.fingerprint)
    await transfer.remember(source, record)
    return staged(file.name, blob, reused=False)


async def _in_parallel(steps: Sequence[Step], settings: StagingSettings) -> list[Staged]:
    """Results in the order of the steps. The first failure stops the others; the user's counts before the world's."""
    slots = asyncio.Semaphore(settings.source_parallel)

    async def run(step: Step) -> Staged:
        async with slots:
            return await _traced(step, settings)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run(step)) for step in steps]
    except BaseExceptionGroup as failures:
        raise _most_telling(failures) from failures
    return [task.result() for task in tasks]


async def _traced(step: Step, settings: StagingSettings) -> Staged:
    with telemetry.span("dataset.stage.source", None, {"lorabus.source": "file"}):
        got = await _patiently(step, settings)
        telemetry.set_attributes({"lorabus.file.name": got.file.name, "lorabus.bytes": got.file.size})
        telemetry.set_attributes({"lorabus.dataset.reused": got.reused})
        return got


async def _patiently(step: Callable[[], Awaitable[T]], settings: StagingSettings) -> T:
    """A store that is restarted comes back within seconds: the file is then copied anew."""
    async for attempt in stamina.retry_context(
        on=_store_is_away, attempts=None, timeout=settings.store_patience, wait_initial=0.5, wait_max=5.0
    ):
        with attempt:
            return await step()
    raise AssertionError("the last try returns or raises")


def _store_is_away(error: Exception) -> bool:
    return isinstance(error, WorldError) and error.reason is Reason.STORE_UNAVAILABLE


def _most_telling(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    faults = [failure for failure in failures.exceptions if isinstance(failure, JobError)]
    return min(faults, key=lambda fault: fault.retryable, default=failures.exceptions[0])
