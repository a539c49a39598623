"""Removes uploads that no digest names: what a trainer leaves that dies between the last byte and the record.

Parts of uploads that were never completed are the store's own: MinIO removes them after a day, S3 wants a lifecycle
rule (AbortIncompleteMultipartUpload).
"""

from datetime import UTC, datetime, timedelta

import obstore
from obstore.exceptions import BaseError
from pydantic import ValidationError

from schemas import store_keys
from schemas.failures import Reason
from services.common.errors import WorldError
from services.common.object_store import ObjectStore
from services.trainer.stage.files import BlobRecord

ABANDONED_AFTER = timedelta(days=2)


async def sweep_uploads(store: ObjectStore, *, older_than: timedelta = ABANDONED_AFTER) -> int:
    """Give the number of files removed. Only what is older than any staging can take is looked at."""
    old = await _older_than(store, datetime.now(UTC) - older_than)
    if not old:
        return 0
    abandoned = sorted(old - await _named(store))
    if abandoned:
        await store.delete(*abandoned)
    return len(abandoned)


async def _older_than(store: ObjectStore, moment: datetime) -> set[str]:
    found: set[str] = set()
    try:
        async for batch in obstore.list(store.backend, store_keys.dataset_uploads().rstrip("/")):
            found.update(str(item["path"]) for item in batch if item["last_modified"] < moment)
    except FileNotFoundError:
        return set()
    except (BaseError, OSError) as error:
        message = f"the object store {store.address} failed to list uploads: {error}"
        raise WorldError(Reason.STORE_UNAVAILABLE, message[:500]) from error
    return found


async def _named(store: ObjectStore) -> set[str]:
    """Keys of every upload that a digest counts on."""
    keys = set()
    for place in await store.list(store_keys.dataset_blobs()):
        raw = await store.get(place)
        if raw is not None:
            keys.add(_key(raw))
    return keys


def _key(raw: bytes) -> str:
    """A record that cannot be read names nothing; what it may have named is staged anew when it is needed."""
    try:
        return BlobRecord.model_validate_json(raw).key
    except ValidationError:
        return ""
