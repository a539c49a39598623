"""Files of a mounted volume: nothing outside of its folder is ever opened, whatever links lie in it."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from schemas.failures import Reason
from schemas.workspace import VolumeSource
from services.common.errors import UserError
from services.trainer.dataset.names import is_data_file
from services.trainer.stage.settings import StagingSettings

READ_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class VolumeFile:
    """`name` is relative to the volume; `fingerprint` changes with the bytes."""

    name: str
    size: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Volume:
    """A folder and how messages and records name it."""

    label: str
    folder: Path


def find_volume(source: VolumeSource, settings: StagingSettings) -> Volume:
    """A claim's folder below LORABUS_VOLUMES_DIR, or a hostPath inside an allowed root."""
    volume = _claim(source.claim_name, settings) if source.claim_name else _host_path(source.host_path or "", settings)
    if not volume.folder.is_dir():
        raise UserError(
            Reason.SOURCE_NOT_FOUND,
            f"tuning.input.volumeSource: {volume.label} is not there: no folder {volume.folder} on the trainer",
        )
    return volume


def list_files(volume: Volume, settings: StagingSettings, *, any_extension: bool = False) -> list[VolumeFile]:
    """Every data file below the folder, in the order of their names. Links are followed only inside of it."""
    found: list[VolumeFile] = []
    for name in sorted(_walk(volume.folder)):
        if not (any_extension or is_data_file(name)):
            continue
        if len(found) >= settings.source_max_files:
            raise UserError(
                Reason.DATASET_TOO_LARGE,
                f"{volume.label} has more than {settings.source_max_files} data files; join them or use fewer",
            )
        described = _describe(volume, name)
        if described is not None:
            found.append(described)
    return found


async def read_file(volume: Volume, name: str) -> AsyncIterator[bytes]:
    """The bytes of one file that `list_files` found."""
    descriptor = await asyncio.to_thread(_open_beneath, volume.folder, name)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        while chunk := await asyncio.to_thread(os.read, descriptor, READ_BYTES):
            yield chunk
    finally:
        os.close(descriptor)


def _claim(name: str, settings: StagingSettings) -> Volume:
    if not name or name in (".", "..") or "/" in name or "\0" in name:
        raise UserError(
            Reason.SOURCE_REFUSED,
            f"tuning.input.volumeSource.persistentVolumeClaim.claimName: {name!r} is not the name of a claim",
        )
    return Volume(f"persistentVolumeClaim {name}", settings.volumes_dir / name)


def _host_path(path: str, settings: StagingSettings) -> Volume:
    folder = Path(os.path.realpath(path))
    roots = [Path(os.path.realpath(root)) for root in settings.host_paths]
    if not path.startswith("/") or not any(folder.is_relative_to(root) for root in roots):
        allowed = ", ".join(str(root) for root in settings.host_paths) or "none"
        raise UserError(
            Reason.SOURCE_REFUSED,
            f"tuning.input.volumeSource.hostPath.path: {path} is outside of the allowed roots ({allowed}); "
            "the operator names them in LORABUS_HOST_PATHS",
        )
    return Volume(f"hostPath {path}", folder)


def _walk(folder: Path) -> Iterator[str]:
    """Names of files, relative; hidden ones and what a link would lead to in a second way are left out."""
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith("."):
                yield (Path(place) / name).relative_to(folder).as_posix()


def _describe(volume: Volume, name: str) -> VolumeFile | None:
    """None for what is no regular file."""
    try:
        descriptor = _open_beneath(volume.folder, name)
    except FileNotFoundError:
        return None
    try:
        status = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if not stat.S_ISREG(status.st_mode):
        return None
    fingerprint = f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_ino}"
    return VolumeFile(name, status.st_size, fingerprint)


def _open_beneath(folder: Path, name: str) -> int:
    """Open for reading; links are resolved first and the result is opened part by part without following any.

    What somebody swaps in between is then a link or lies beneath the folder: neither leads out.
    """
    root = Path(os.path.realpath(folder))
    target = Path(os.path.realpath(root / name))
    if not target.is_relative_to(root):
        raise UserError(
            Reason.SOURCE_REFUSED, f"{name} in the volume is a link that leads out of it; put the file itself there"
        )
    *parents, last = PurePosixPath(target.relative_to(root)).parts
    place = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parents:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=place)
            os.close(place)
            place = inner
        return os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=place)
    finally:
        os.close(place)
