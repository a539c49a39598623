"""What was trained but not published is published without training again: by a job that begins with the adapter.

A job ends once, so it is a job of its own with the same spec. Its id follows from the first one's, and its adapter's
manifest, written before its spec, names the first one's files: whichever trainer takes it only hands it over.
"""

from collections.abc import Callable
from datetime import datetime

from schemas import store_keys
from schemas.events import State
from schemas.identity import identify
from schemas.records import AdapterManifest, ResultRecord, SpecRecord, as_json
from services.common.ending import read_result
from services.common.object_store import ObjectStore
from services.ingest.spec_history import find, write_once

Passed = Callable[[ResultRecord], bool]


def without_image(result: ResultRecord) -> bool:
    """A request for the same spec goes on after these ends."""
    return result.state is State.FAILED


def ended(_: ResultRecord) -> bool:
    """Somebody who asks to publish a job goes on after any end."""
    return True


async def publication(
    store: ObjectStore, record: SpecRecord, passed: Passed, *, at: datetime, traceparent: str
) -> tuple[SpecRecord, bool] | None:
    """Give the job that publishes what `record`'s job has trained, and whether it is new.

    It is the first one of those made so far whose end is not `passed`. None when that job itself is not over in such a
    way, or has no complete adapter.
    """
    result = await read_result(store, record.job_id)
    if result is None or not passed(result):
        return None
    raw = await store.get(store_keys.adapter_manifest(record.job_id))
    if raw is None:
        return None
    manifest, number = AdapterManifest.model_validate_json(raw), 1
    while True:
        nonce = f"publish:{record.job_id}:{number}"
        job_id, _ = identify(record.spec, nonce=nonce)
        found = await find(store, job_id)
        if found is None:
            given = {"job_id": job_id, "rerun": nonce, "accepted_at": at, "traceparent": traceparent}
            await store.put(store_keys.adapter_manifest(job_id), as_json(_inherited(manifest, job_id)))
            return await write_once(store, record.model_copy(update=given))
        end = await read_result(store, job_id)
        if end is None or not passed(end):
            return found, False
        number += 1


def _inherited(manifest: AdapterManifest, job_id: str) -> AdapterManifest:
    return manifest.model_copy(update={"job_id": job_id, "attempt": 1, "origin": manifest.trained_by})
