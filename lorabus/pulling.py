"""Fetches an adapter's two files from where it was published: a registry, an image layout, or wherever a job says."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from lorabus.api import open_api
from lorabus.faults import BadInput, NoSuchJob
from lorabus.settings import CallerSettings
from schemas.events.job import Image, JobSucceeded
from schemas.identity import is_job_id
from schemas.references import InvalidReference, parse_reference
from services.common.ending import read_result
from services.common.errors import Unreachable
from services.common.object_store import open_store
from services.common.registry.download import Readable, download_files
from services.common.registry.errors import RegistryRefused, RegistryUnavailable
from services.common.registry.layout import Layout
from services.common.registry.repository import open_repository
from services.common.registry.secrets import find_credential

# The weights first: who waits for the config finds both.
FILES = ("adapter_model.safetensors", "adapter_config.json")
_LAYOUT = "oci:"


@dataclass(frozen=True, slots=True)
class PulledFile:
    """A file on the disk, with the digest that it has there."""

    path: Path
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Pulled:
    """What was fetched; `digest` is the image's."""

    reference: str
    digest: str
    files: tuple[PulledFile, ...]


async def pull(target: str, out: Path, settings: CallerSettings) -> Pulled:
    """Put the adapter's files into `out`, verified; nothing half-written is seen there.

    `target` is a reference, `oci:<folder>[:<tag>]`, a layout's folder, or the id of a job that succeeded.
    """
    name = ""
    if is_job_id(target):
        image = await published_image(target, settings)
        target, name = image.reference, image.digest
    try:
        async with _open(target, settings) as (source, tag):
            out.mkdir(parents=True, exist_ok=True)
            return await _fetch(source, name or tag, target, out)
    except RegistryUnavailable as error:
        raise Unreachable("the registry", error.host, str(error)) from error
    except RegistryRefused as error:
        # A word alone is an image of Docker's hub, but much more often a folder or a job that was misspelt.
        other = "" if "/" in target else f"no folder and no job here is called {target!r}; taken for an image: "
        raise BadInput(f"{other}{error}") from error
    except OSError as error:
        raise BadInput(f"{out}: {error.strerror or error}") from error


async def published_image(job_id: str, settings: CallerSettings) -> Image:
    """Where a job's adapter was published: ingest says it, or else the job's own result in the store."""
    try:
        async with open_api(settings) as api:
            row = await api.job(job_id)
        if row.image is not None:
            return row.image
        state, fault = row.state.value, None
    except (Unreachable, NoSuchJob) as error:
        state, fault = "", error
    # The result stands in the store a moment before ingest has read of it.
    result = await read_result(open_store(settings), job_id)
    if result is not None and result.state.value == "succeeded":
        return JobSucceeded.model_validate(result.event.data).image
    if fault is not None and result is None:
        raise fault
    state = result.state.value if result is not None else state
    raise BadInput(f"job {job_id} is {state}: only a job that succeeded has an adapter to pull")


@asynccontextmanager
async def _open(target: str, settings: CallerSettings) -> AsyncIterator[tuple[Readable, str]]:
    layout = _layout(target)
    if layout is not None:
        yield layout
        return
    try:
        reference = parse_reference(target)
    except InvalidReference as error:
        raise BadInput(f"{target!r} is no job, no image layout and no image: {error}") from None
    credential = await find_credential(reference, settings.secrets_dir)
    insecure, authority = settings.insecure_registries, settings.registry_ca_file
    async with open_repository(reference, credential, insecure=insecure, ca_file=authority) as repository:
        yield repository, reference.digest or reference.tag or ""


def _layout(target: str) -> tuple[Layout, str] | None:
    bare = target.removeprefix(_LAYOUT)
    if Path(bare).is_dir():
        return Layout(Path(bare)), ""
    folder, _, tag = bare.rpartition(":")
    if target.startswith(_LAYOUT) or (folder and Path(folder).is_dir()):
        return Layout(Path(folder or bare)), tag if folder else ""
    return None


async def _fetch(source: Readable, name: str, target: str, out: Path) -> Pulled:
    manifest, digest = await source.image(name)
    wanted = {f"data/{file}" for file in FILES}
    with tempfile.TemporaryDirectory(prefix=".lorabus-", dir=out) as folder:
        found = await download_files(source, manifest, Path(folder), wanted.__contains__)
        missing = wanted - set(found)
        if missing:
            raise BadInput(f"{target} is no adapter image: it has no {' and no '.join(sorted(missing))}")
        files = [await asyncio.to_thread(_place, Path(folder) / "data" / file, out / file) for file in FILES]
    return Pulled(target, digest, tuple(files))


def _place(source: Path, path: Path) -> PulledFile:
    with source.open("rb") as file:
        digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    source.replace(path)
    return PulledFile(path, digest, path.stat().st_size)
