"""A Workspace's accepted specs in order, in the object store: what an update is measured against.

Numbers are created once and without gaps, so of two ingest processes that accept at the same time one learns that
it has to look again.
"""

from dataclasses import dataclass

from pydantic import ValidationError

from schemas import store_keys
from schemas.admission.reading import LABEL
from schemas.failures import Reason
from schemas.identity import is_job_id
from schemas.records import SpecRecord
from services.common.errors import WorldError
from services.common.object_store import ObjectStore


@dataclass(frozen=True, slots=True)
class Latest:
    """The Workspace's last accepted spec and its number; 0 and None when there is none, or nobody has looked."""

    store: ObjectStore
    number: int = 0
    record: SpecRecord | None = None
    looked_up: bool = False

    async def followed_by(self, record: SpecRecord) -> bool:
        """Make `record` the one after this; False when another process was first and one has to look again."""
        if self.record is not None and self.record.job_id == record.job_id:
            return True
        key = store_keys.latest_spec(record.spec.namespace, record.spec.name, self.number + 1)
        return await self.store.create(key, record.stored)


async def find_latest(store: ObjectStore, namespace: str, name: str) -> Latest:
    """Look for the highest number; namespace and name may be any texts."""
    if not LABEL.fullmatch(namespace) or not LABEL.fullmatch(name):
        return Latest(store, looked_up=True)
    keys = await store.list(store_keys.latest_specs(namespace, name))
    numbers = [int(stem) for key in keys if (stem := key.rsplit("/", 1)[-1].removesuffix(".json")).isdecimal()]
    if not numbers:
        return Latest(store, looked_up=True)
    key = store_keys.latest_spec(namespace, name, max(numbers))
    return Latest(store, max(numbers), _read(await store.get(key), key), looked_up=True)


async def write_once(store: ObjectStore, record: SpecRecord) -> tuple[SpecRecord, bool]:
    """Create the job; give the record that holds and whether it is this one."""
    key = store_keys.spec(record.job_id)
    if await store.create(key, record.stored):
        return record, True
    return _read(await store.get(key), key), False


async def find(store: ObjectStore, job_id: str) -> SpecRecord | None:
    """Give a job's record, or None when there is no such job; the id may be any text."""
    if not is_job_id(job_id):
        return None
    key = store_keys.spec(job_id)
    raw = await store.get(key)
    return None if raw is None else _read(raw, key)


def _read(raw: bytes | None, key: str) -> SpecRecord:
    try:
        return SpecRecord.model_validate_json(raw or b"")
    except ValidationError as error:
        raise WorldError(Reason.STORE_UNAVAILABLE, f"{key} in the object store is damaged: {error}") from error
