"""A trained adapter is packed, put where its job's spec says, announced, and its job ended - unless it was cancelled.

Everything here can be repeated: what is in place already is found and left alone, events go on where they stopped,
and `result.json` lets exactly one outcome be true.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import stamina
import structlog

from schemas import store_keys
from schemas.events import TYPE_OF
from schemas.events.image import ImagePublished
from schemas.events.job import Image as PublishedImage
from schemas.events.job import JobCancelled, JobFailed, JobSucceeded
from schemas.failures import Reason
from schemas.records import AdapterManifest, OutboxRecord, ResultRecord, SpecRecord
from schemas.topics import full_type
from services.common.ending import end_job, read_result
from services.common.errors import JobError, LorabusError, WorldError
from services.common.journal import Journal, Publish
from services.common.kafka.dead_letters import Unreadable
from services.common.object_store import ObjectStore
from services.common.telemetry import span
from services.publisher.assemble import make_parcel, remember
from services.publisher.destinations import BeforeTag, Parcel
from services.publisher.manifest import Image
from services.publisher.metrics import Metrics
from services.publisher.packing import Packing
from services.publisher.place import Place
from services.publisher.progress import Progress, told

log = structlog.get_logger()
_PASSING = frozenset({Reason.REGISTRY_UNAVAILABLE, Reason.DISK_FULL, Reason.DEVICE_ERROR})
_MENDED_OUTSIDE = _PASSING | {Reason.PUSH_UNAUTHORIZED, Reason.SECRET_MISSING}
"""Whoever mends these leaves the request as it is."""


class Cancelled(LorabusError):
    """Somebody asked to cancel before the image became visible."""


@dataclass(frozen=True, slots=True)
class Publisher:
    """What publishing needs of the world."""

    store: ObjectStore
    send: Publish
    place: Place
    metrics: Metrics
    packing: Packing
    retry_seconds: float = 900.0

    async def publish(self, job_id: str, attempt: int) -> ResultRecord | None:
        """Publish the adapter of an attempt and end its job; None when a newer attempt has taken the job over.

        Raises `Unreadable` for a job that does not exist, `WorldError` when the store or Kafka fail: try again then.
        """
        record, manifest = await self._read(job_id)
        if manifest.attempt > attempt:
            return None
        journal = await self._journal(record, attempt)
        ended = await read_result(self.store, job_id)
        if ended is not None:
            await journal.send(ended.event)
            return ended
        return await self._end(record, manifest, journal, attempt)

    async def give_up(self, job_id: str, attempt: int, error: Exception) -> ResultRecord:
        """End a job that no retry can help: the fault is ours."""
        record, _ = await self._read(job_id)
        journal = await self._journal(record, attempt)
        told = WorldError(Reason.INTERNAL, f"publishing failed: {type(error).__name__}")
        return await end_job(self.store, journal, job_id, attempt, JobFailed, **failure(told))

    async def _journal(self, record: SpecRecord, attempt: int) -> Journal:
        journal = Journal(
            self.send, job_id=record.job_id, attempt=attempt, source="publisher", traceparent=record.traceparent
        )
        return await journal.continue_from(self.store)

    async def _end(self, record: SpecRecord, manifest: AdapterManifest, journal: Journal, attempt: int) -> ResultRecord:
        job_id, began = record.job_id, time.monotonic()
        try:
            image = await self._announced(job_id, attempt) or await self._put(record, manifest, journal)
        except Cancelled:
            result = await end_job(self.store, journal, job_id, attempt, JobCancelled)
        except JobError as error:
            if error.reason is Reason.STORE_UNAVAILABLE:
                raise
            result = await end_job(self.store, journal, job_id, attempt, JobFailed, **failure(error))
        else:
            self.metrics.seconds.observe(time.monotonic() - began)
            self.metrics.bytes.inc(image.size)
            result = await end_job(
                self.store, journal, job_id, attempt, JobSucceeded, image=image, metrics=manifest.metrics
            )
        self.metrics.ended.labels(state=result.state.value).inc()
        log.info("job ended", job_id=job_id, attempt=attempt, state=result.state.value)
        return result

    async def _announced(self, job_id: str, attempt: int) -> PublishedImage | None:
        """The image that was in place and announced before this publisher, or one before it, died."""
        last = await self.store.get(store_keys.outbox(job_id, attempt, "publisher"))
        record = OutboxRecord.model_validate_json(last) if last else None
        if record is None or record.type != full_type(TYPE_OF[ImagePublished]):
            return None
        return PublishedImage.model_validate(record.data)

    async def _put(self, record: SpecRecord, manifest: AdapterManifest, journal: Journal) -> PublishedImage:
        async def check_cancel() -> None:
            if await self.store.exists(store_keys.cancel(record.job_id)):
                raise Cancelled(record.job_id)

        await check_cancel()
        parcel = await make_parcel(self.store, record, manifest, self.packing)
        progress = Progress(sum(file.entry.size for file in parcel.files))
        with span("image.push", record.traceparent, {"lorabus.job.id": record.job_id}) as traceparent:
            async with told(journal, progress):
                published = await self._push(record, parcel, progress, traceparent, check_cancel)
        await journal.emit(ImagePublished, **published.model_dump())
        return published

    async def _push(
        self, record: SpecRecord, parcel: Parcel, progress: Progress, traceparent: str, check_cancel: BeforeTag
    ) -> PublishedImage:
        async def once() -> tuple[Image, str]:
            async with self.place(record, parcel, traceparent) as destination:
                await check_cancel()
                return await destination.put(parcel, progress.on_bytes, check_cancel)

        image, reference = await self._patiently(once)
        await remember(self.store, parcel, reference)
        return PublishedImage(reference=reference, digest=image.digest, size=image.size)

    async def _patiently(self, attempt: Callable[[], Awaitable[tuple[Image, str]]]) -> tuple[Image, str]:
        """Try again while the world is at fault, for `retry_seconds`."""
        timeout, attempts = self.retry_seconds or None, None if self.retry_seconds else 1
        async for one in stamina.retry_context(
            on=self._passing, attempts=attempts, timeout=timeout, wait_initial=1, wait_max=30
        ):
            with one:
                return await attempt()
        raise AssertionError("the last try returns or raises")

    def _passing(self, error: Exception) -> bool:
        if not (isinstance(error, WorldError) and error.reason in _PASSING):
            return False
        log.warning("the push is tried again", reason=error.reason.value, error=error.message)
        self.metrics.retries.labels(reason=error.reason.value).inc()
        return True

    async def _read(self, job_id: str) -> tuple[SpecRecord, AdapterManifest]:
        spec = await self.store.get(store_keys.spec(job_id))
        manifest = await self.store.get(store_keys.adapter_manifest(job_id))
        if spec is None or manifest is None:
            lacks = store_keys.spec(job_id) if spec is None else store_keys.adapter_manifest(job_id)
            raise Unreadable(f"the adapter of job {job_id} cannot be published: the object store has no {lacks}")
        return SpecRecord.model_validate_json(spec), AdapterManifest.model_validate_json(manifest)


def failure(error: JobError) -> dict[str, object]:
    """The data of `job.failed`."""
    hint = ""
    if error.reason in _MENDED_OUTSIDE:
        hint = "; the adapter stays in the object store, and the same request publishes it without training again"
    return {
        "reason": error.reason.value,
        "retryable": error.retryable,
        "message": f"{error.message}{hint}",
        "help": error.reason.help,
    }
