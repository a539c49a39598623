"""Local files in the object store, with what manifests say of them."""

import asyncio
import hashlib
from pathlib import Path

from schemas.events.training import AdapterFile
from services.common.object_store import ObjectStore


async def store_file(store: ObjectStore, prefix: str, folder: Path, name: Path) -> AdapterFile:
    """Copy `folder/name` to `prefix` and its name; the digest is that of the local bytes."""
    path = folder / name
    digest = await digest_of(path)
    await store.upload(f"{prefix}{name.as_posix()}", path)
    return AdapterFile(name=name.as_posix(), digest=digest, size=path.stat().st_size)


async def digest_of(path: Path) -> str:
    """Of a local file, as `sha256:<hex>`, computed in a thread."""
    return f"sha256:{await asyncio.to_thread(_sha256, path)}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
