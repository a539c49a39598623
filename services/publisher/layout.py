"""Puts an image into a folder of a volume: an OCI image layout, and beside it the plain files for who mounts it.

It is written aside and renamed into place, so nobody sees half of it; a folder that has the image already is left
alone. Every job has a folder of its own, so jobs that share a volume cannot touch each other's images.
"""

import asyncio
import errno
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.failures import Reason
from services.common.errors import JobError, UserError, WorldError
from services.common.object_store import ObjectStore
from services.common.registry.descriptors import INDEX, sha256_of, to_json
from services.common.registry.layout import REF_NAME
from services.common.telemetry import span
from services.publisher.destinations import BeforeTag, OnBytes, Parcel
from services.publisher.manifest import Image
from services.publisher.model_pack import tag_of
from services.publisher.plan import VolumeTarget
from services.publisher.referrers import NOTHING, Referrer

TAG = "latest"
OnDone = Callable[[int], None]
# By this cosign tells the image of a layout from what is said about it.
_FOR_COSIGN = {"kind": "dev.cosignproject.cosign/image"}
_OURS = ".lorabus-"
_FORGOTTEN_SECONDS = 24 * 60 * 60
_FULL = {errno.ENOSPC, errno.EDQUOT}
_REFUSING = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP}


class VolumeDestination:
    """A folder in a volume."""

    def __init__(self, target: VolumeTarget, store: ObjectStore, traceparent: str) -> None:
        self._target = target
        self._store = store
        self._traceparent = traceparent

    async def put(self, parcel: Parcel, on_bytes: OnBytes, before_tag: BeforeTag) -> tuple[Image, str]:
        """Write what is not there yet."""
        with (
            _told(self._target.folder),
            span("image.write", self._traceparent, {"lorabus.folder": str(self._target.folder)}),
        ):
            parent = await asyncio.to_thread(self._parent)
            folder = parent / self._target.folder.name
            aside = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix=f"{_OURS}{folder.name}-", dir=parent))
            try:
                image = await self._write(aside, parcel, on_bytes)
                await before_tag()
                await asyncio.to_thread(_move_into_place, aside, folder)
            finally:
                await asyncio.to_thread(_clean, parent, aside)
        return image, f"oci:{folder}:{TAG}"

    def _parent(self) -> Path:
        """The folder that the job's folder lies in, links followed; it must still lie inside the root."""
        root, parent = self._target.root, self._target.folder.parent
        root.mkdir(parents=True, exist_ok=True)
        real_root, real = root.resolve(), parent.resolve()
        if not real.is_relative_to(real_root):
            raise UserError(Reason.OUTPUT_REFUSED, f"tuning.output: {parent} leads out of {root}")
        real.mkdir(parents=True, exist_ok=True)
        return real

    async def _write(self, aside: Path, parcel: Parcel, on_bytes: OnBytes) -> Image:
        blobs = aside / "blobs" / "sha256"
        await asyncio.to_thread(blobs.mkdir, parents=True)
        for layer in parcel.layers:
            await layer.measure()
            draft = blobs / layer.name
            await _save(draft, layer.read(0), lambda done, name=layer.name: on_bytes(name, done))  # type: ignore[misc]
            draft.rename(blobs / _hex(layer.digest or ""))
        image = parcel.assemble()
        for file in parcel.files:
            await _save(aside / Path(file.entry.path).name, self._store.stream(file.key))
        model = (parcel.model_pack(image),) if parcel.model_pack else ()
        await asyncio.to_thread(_write_documents, aside, image, parcel.referrers(image), model)
        on_bytes("config", len(image.config))
        return image


def _write_documents(aside: Path, image: Image, referrers: tuple[Referrer, ...], models: tuple[Referrer, ...]) -> None:
    tagged = image.descriptor.model_copy(update={"annotations": {REF_NAME: TAG, **_FOR_COSIGN}})
    beside_tag = {"annotations": {REF_NAME: tag_of(TAG)}}
    named = [
        tagged,
        *(referrer.descriptor for referrer in referrers),
        *(model.descriptor.model_copy(update=beside_tag) for model in models),
    ]
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [one.to_json() for one in named]}
    told = [data for beside in (*referrers, *models) for data in (beside.document, beside.manifest)]
    for data in {image.config, image.manifest, NOTHING, *told}:
        _write_whole(aside / "blobs" / "sha256" / _hex(sha256_of(data)), data)
    _write_whole(aside / "oci-layout", to_json({"imageLayoutVersion": "1.0.0"}))
    _write_whole(aside / "index.json", to_json(index))
    aside.chmod(0o755)


def _move_into_place(aside: Path, folder: Path) -> None:
    if _same(aside, folder):
        return
    if folder.is_symlink() or (folder.exists() and not (folder / "oci-layout").is_file()):
        raise UserError(Reason.OUTPUT_REFUSED, f"tuning.output: {folder} is there and is no image layout of ours")
    if folder.exists():
        folder.rename(aside.with_name(f"{aside.name}.old"))
    aside.rename(folder)
    _sync(folder.parent)


def _same(new: Path, old: Path) -> bool:
    """True when `old` holds the files of `new`, by name and length, under the same index and so the same digests."""
    index = old / "index.json"
    if not index.is_file() or index.read_bytes() != (new / "index.json").read_bytes():
        return False
    return _listing(new) == _listing(old)


def _listing(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.lstat().st_size for path in folder.rglob("*") if path.is_file()}


def _clean(parent: Path, aside: Path) -> None:
    """Remove what this push has left aside, and what killed ones did long ago."""
    forgotten = time.time() - _FORGOTTEN_SECONDS
    for left in parent.glob(f"{_OURS}*"):
        if left.name.startswith(aside.name) or left.lstat().st_mtime < forgotten:
            shutil.rmtree(left, ignore_errors=True)


async def _save(path: Path, stream: AsyncIterator[bytes], on_bytes: OnDone = lambda _: None) -> None:
    done = 0
    with path.open("xb") as file:
        async for chunk in stream:
            await asyncio.to_thread(file.write, chunk)
            done += len(chunk)
            on_bytes(done)
        await asyncio.to_thread(os.fsync, file.fileno())


def _write_whole(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except JobError:
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise WorldError(Reason.DISK_FULL, f"the volume of {folder} is full") from error
        said = f"tuning.output: {folder} cannot be written: {error.strerror or error}"
        if error.errno in _REFUSING:
            raise UserError(Reason.OUTPUT_REFUSED, said) from error
        raise WorldError(Reason.DEVICE_ERROR, said) from error
