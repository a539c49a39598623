"""Checkpoints in the object store: files first, the manifest last, so that only complete ones are ever taken up.

`jobs/<id>/checkpoints/<step>/…` with `manifest.json` naming each file's size and sha256 and the plan's digest. The
newest complete one that fits the plan wins; a damaged one, or one of another plan, is skipped with a warning.
"""

import asyncio
import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import structlog
from pydantic import ValidationError

from schemas import store_keys
from schemas.events.base import Wire
from schemas.events.training import AdapterFile
from schemas.failures import Reason
from schemas.records import as_json
from services.common.errors import WorldError
from services.common.object_store import ObjectStore
from services.trainer.stored_files import digest_of, store_file

log = structlog.get_logger()
KEPT = 2


class CheckpointManifest(Wire):
    """Written after a checkpoint's files. `plan_digest` says which training it belongs to."""

    step: int
    plan_digest: str
    files: list[AdapterFile]


@dataclass(frozen=True, slots=True)
class Stored:
    """A checkpoint that is complete in the store: its manifest's digest, and the bytes of its files."""

    step: int
    digest: str
    size: int


async def save_checkpoint(store: ObjectStore, job_id: str, step: int, folder: Path, plan_digest: str) -> Stored:
    """Copy a checkpoint's folder into the store, then forget all but the newest few."""
    prefix = store_keys.checkpoint(job_id, step)
    names = sorted(path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir())
    if not names:
        raise WorldError(Reason.INTERNAL, f"the checkpoint of step {step} has no files")
    files = [await store_file(store, prefix, folder, name, ours=folder.parents[1]) for name in names]
    manifest = as_json(CheckpointManifest(step=step, plan_digest=plan_digest, files=files))
    await store.put(f"{prefix}manifest.json", manifest)
    await _prune(store, job_id, keep=KEPT)
    digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    return Stored(step, digest, sum(file.size for file in files))


async def fetch_newest(store: ObjectStore, job_id: str, plan_digest: str, into: Path) -> Path | None:
    """Copy the newest complete checkpoint that fits the plan to a local folder and verify every byte of it."""
    for step in sorted(await _complete_steps(store, job_id), reverse=True):
        folder = into / f"checkpoint-{step}"
        problem = await _fetch(store, store_keys.checkpoint(job_id, step), plan_digest, folder)
        if problem is None:
            return folder
        log.warning("checkpoint skipped", job_id=job_id, step=step, problem=problem)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    return None


async def newest_step(store: ObjectStore, job_id: str) -> int | None:
    """Give the step of the newest complete checkpoint, whether or not it fits."""
    return max(await _complete_steps(store, job_id), default=None)


async def _fetch(store: ObjectStore, prefix: str, plan_digest: str, folder: Path) -> str | None:
    try:
        manifest = CheckpointManifest.model_validate_json(await store.get(f"{prefix}manifest.json") or b"")
    except ValidationError:
        return "its manifest is damaged"
    if manifest.plan_digest != plan_digest:
        return "it belongs to other data, settings or versions"
    for file in manifest.files:
        path = (folder / file.name).resolve()
        if not path.is_relative_to(folder.resolve()):
            return f"its manifest names {file.name!r}, which lies outside"
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            await store.download(f"{prefix}{file.name}", path)
        except KeyError:
            return f"{file.name} is missing"
        if await digest_of(path) != file.digest:
            return f"{file.name} has another digest than the manifest says"
    return None


async def _complete_steps(store: ObjectStore, job_id: str) -> list[int]:
    keys = await store.list(store_keys.checkpoints(job_id))
    names = [key.split("/")[-2] for key in keys if key.endswith("/manifest.json")]
    return [int(name) for name in names if name.isdigit()]


async def _prune(store: ObjectStore, job_id: str, keep: int) -> None:
    for step in sorted(await _complete_steps(store, job_id), reverse=True)[keep:]:
        prefix = store_keys.checkpoint(job_id, step)
        keys = await store.list(prefix)
        # The manifest goes first: what is left is then no complete checkpoint any more.
        await store.delete(f"{prefix}manifest.json")
        await store.delete(*[key for key in keys if not key.endswith("/manifest.json")])
