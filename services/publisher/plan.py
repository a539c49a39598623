"""Where an image goes and what is in it, decided from the job's spec and its adapter's manifest. Pure."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from schemas import store_keys
from schemas.failures import Reason
from schemas.records import AdapterManifest
from schemas.references import ImageReference, InvalidReference, parse_reference
from schemas.workspace import OutputSpec, ResolvedSpec
from services.common.errors import UserError
from services.common.layers.adapter import FILES, FOLDER
from services.common.layers.plan import Entry, StoredFile
from services.publisher.manifest import FOLDERS, MODEL_NAME, TITLE, config_digest

INFO = f"{FOLDERS[1]}/"
"""The second layer's folder."""
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,254}")


@dataclass(frozen=True, slots=True)
class RegistryTarget:
    """`tags` in the order in which they are moved: the job's own first, the one asked for, if any, last."""

    reference: ImageReference
    secret: str | None
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VolumeTarget:
    """`folder` gets an image layout and the plain files; it must lie inside `root` once links are followed."""

    root: Path
    folder: Path


Target = RegistryTarget | VolumeTarget


def target(spec: ResolvedSpec, job_id: str, volumes_dir: Path, host_paths: tuple[Path, ...]) -> Target:
    """Decide; what cannot work is a `UserError` that names the field."""
    if spec.output.kind == "image":
        return _registry(spec.output, job_id)
    volume = spec.output.volume
    if volume is not None and volume.claim_name:
        if not _FILE_NAME.fullmatch(volume.claim_name):
            raise _refused("volumeSource.persistentVolumeClaim.claimName", "is no plain name")
        root = volumes_dir / volume.claim_name
        return VolumeTarget(root, root / job_id)
    if volume is not None and volume.host_path:
        return _host_path(Path(volume.host_path), job_id, host_paths)
    raise _refused("volumeSource", "names neither a persistentVolumeClaim nor a hostPath")


def layer_files(manifest: AdapterManifest) -> tuple[StoredFile, ...]:
    """The files of the layer that KAITO reads; an adapter without them cannot be published."""
    by_name = {file.name: file for file in manifest.files}
    missing = [name for name in FILES if name not in by_name]
    if missing:
        raise UserError(Reason.MODEL_UNSUPPORTED, f"the trained adapter has no {' and no '.join(missing)}")
    folder = store_keys.adapter(manifest.trained_by.job_id)
    return tuple(
        StoredFile(Entry(f"{FOLDER}/{name}", by_name[name].size), f"{folder}{name}", by_name[name].digest)
        for name in FILES
    )


def info_files(manifest: AdapterManifest, documents: tuple[StoredFile, ...]) -> tuple[StoredFile, ...]:
    """The files of the second layer, which KAITO does not look at: our documents, and what the trainer left beside."""
    folder = store_keys.adapter(manifest.trained_by.job_id)
    ours = {document.entry.path for document in documents}
    left = (
        StoredFile(Entry(f"{INFO}{file.name}", file.size), f"{folder}{file.name}", file.digest)
        for file in manifest.files
        if file.name not in FILES and _FILE_NAME.fullmatch(file.name)
    )
    return (*documents, *(file for file in left if file.entry.path not in ours))


def annotations(spec: ResolvedSpec, manifest: AdapterManifest) -> Mapping[str, str]:
    """What the image says of itself: only what follows from the training, so that the same training has one digest."""
    return {
        MODEL_NAME: spec.preset,
        TITLE: f"LoRA adapter for {spec.preset}",
        "org.opencontainers.image.base.name": f"{manifest.base_model}@{manifest.base_revision}",
        "dev.lorabus.method": spec.method,
        "dev.lorabus.dataset.digest": manifest.dataset_digest,
        "dev.lorabus.config.digest": config_digest(spec.config),
    }


def _registry(output: OutputSpec, job_id: str) -> RegistryTarget:
    try:
        reference = parse_reference(output.image or "")
    except InvalidReference as error:
        raise _refused("image", str(error)) from None
    _, name, digits = job_id.rsplit(".", 2)
    asked = () if reference.tag is None else (reference.tag,)
    return RegistryTarget(reference, output.push_secret, (f"{name}-{digits}", *asked))


def _host_path(path: Path, job_id: str, roots: tuple[Path, ...]) -> VolumeTarget:
    # Dots are taken out without looking at the disk; links are followed, and judged again, when it is written.
    plain = Path(os.path.normpath(path))
    inside = [root for root in roots if plain.is_relative_to(os.path.normpath(root))]
    if not plain.is_absolute() or not inside:
        raise _refused("volumeSource.hostPath", "lies outside the folders that LORABUS_HOST_PATHS allows")
    return VolumeTarget(inside[0], plain / job_id)


def _refused(field: str, problem: str) -> UserError:
    return UserError(Reason.OUTPUT_REFUSED, f"tuning.output.{field} {problem}")
