"""An image's `/data` into the store: KAITO's way to ship a dataset as an OCI or Docker image."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from schemas.failures import Reason
from schemas.references import ImageReference, parse_reference
from schemas.workspace import InputSpec
from services.common.errors import JobError, UserError, WorldError
from services.common.registry.descriptors import Manifest
from services.common.registry.docker_config import Credential
from services.common.registry.errors import NotAuthorized, NotFound, RegistryError, RegistryUnavailable
from services.common.registry.repository import Repository, open_repository
from services.common.registry.secrets import read_secret
from services.trainer.dataset.decode import DecodeError
from services.trainer.dataset.names import is_data_file
from services.trainer.stage.layers import Overlay, layer_files
from services.trainer.stage.tar_stream import BadArchive
from services.trainer.stage.transfer import Staged, Transfer, staged

ROOT = "data"


async def stage_image(source: InputSpec, transfer: Transfer, *, any_extension: bool) -> list[Staged]:
    """Every data file below /data, in the order of the names. An image that was read before costs one request."""
    reference = parse_reference(source.image or "")
    try:
        async with _opened(reference, source.pull_secrets, transfer) as (repository, manifest, digest):
            name = f"image:{reference.domain}/{reference.path}@{digest}:{any_extension}"
            known = await transfer.known_files(name)
            if known is not None:
                return known
            files = await _read(repository, manifest, str(reference), transfer, any_extension=any_extension)
    except (BadArchive, DecodeError) as error:
        raise UserError(Reason.DATASET_UNREADABLE, f"image {reference} cannot be read: {error}") from error
    except RegistryError as error:
        raise _fault(reference, error) from error
    if not files:
        raise UserError(
            Reason.DATASET_EMPTY,
            f"image {reference} has no data file below /{ROOT}: expected .csv, .json, .jsonl, .parquet, .arrow "
            f"or .tar, as `COPY train.jsonl /{ROOT}/` puts it there",
        )
    await transfer.remember_files(name, [file.file for file in files])
    return files


@asynccontextmanager
async def _opened(
    reference: ImageReference, secrets: tuple[str, ...], transfer: Transfer
) -> AsyncIterator[tuple[Repository, Manifest, str]]:
    """Ask without a name first, then with each secret, as KAITO does; the last refusal is raised."""
    settings = transfer.settings
    credentials = [None, *[found async for found in _credentials(reference, secrets, transfer)]]
    for number, credential in enumerate(credentials, start=1):
        async with open_repository(
            reference,
            credential,
            insecure=settings.insecure_registries,
            ca_file=settings.registry_ca_file,
            allow=(*settings.source_allow, *settings.insecure_registries),
            silence_seconds=settings.source_silence,
            note=transfer.note,
        ) as repository:
            try:
                manifest, digest = await repository.image(reference.digest or reference.tag or "latest")
            except (NotAuthorized, NotFound):
                if number == len(credentials):
                    raise
                continue
            yield repository, manifest, digest
            return


async def _credentials(
    reference: ImageReference, secrets: tuple[str, ...], transfer: Transfer
) -> AsyncIterator[Credential]:
    for name in secrets:
        found = (await read_secret(transfer.settings.secrets_dir, name)).find(reference)
        if found is not None:
            yield found


async def _read(
    repository: Repository, manifest: Manifest, label: str, transfer: Transfer, *, any_extension: bool
) -> list[Staged]:
    """Layers from the top down; each is read to its end, where its digest is checked."""
    transfer.budget.check(sum(layer.size for layer in manifest.layers), label)
    ratio = transfer.settings.source_max_ratio
    files: dict[str, Staged] = {}
    overlay = Overlay()
    for layer in reversed(manifest.layers):
        async for member, content in layer_files(repository.blob(layer), overlay, ROOT, ratio=ratio, label=label):
            name = member.name.removeprefix(f"{ROOT}/")
            if _counts(name, any_extension=any_extension):
                transfer.budget.count_file(label)
                files[name] = staged(name, await transfer.copy(label, name, content), reused=False)
    return [files[name] for name in sorted(files)]


def _counts(name: str, *, any_extension: bool) -> bool:
    hidden = any(part.startswith(".") for part in name.split("/"))
    return not hidden and (any_extension or is_data_file(name))


def _fault(reference: ImageReference, error: RegistryError) -> JobError:
    what = f"input image {reference}: {error}"
    if isinstance(error, RegistryUnavailable):
        return WorldError(Reason.REGISTRY_UNAVAILABLE, what)
    if isinstance(error, NotAuthorized):
        return UserError(
            Reason.SOURCE_UNAUTHORIZED, f"{what}; name a secret that may pull it in tuning.input.imagePullSecrets"
        )
    if isinstance(error, NotFound):
        return UserError(Reason.SOURCE_NOT_FOUND, f"{what}; check the reference, and the pull secret if it is private")
    return UserError(Reason.SOURCE_REFUSED, what)
