"""Opens the place that a job's spec names: credentials for a registry, or a folder of a volume."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from weakref import WeakValueDictionary

from schemas.failures import Reason
from schemas.records import SpecRecord
from schemas.references import ImageReference
from services.common.errors import JobError, UserError, WorldError
from services.common.object_store import ObjectStore
from services.common.registry.docker_config import DockerConfig
from services.common.registry.errors import NotAuthorized, RegistryError, RegistryRefused
from services.common.registry.repository import open_repository
from services.common.registry.secrets import read_secret
from services.common.registry.transport import Note, tls_context
from services.publisher.destinations import Destination, Parcel
from services.publisher.layout import VolumeDestination
from services.publisher.plan import RegistryTarget, Target, VolumeTarget, target
from services.publisher.registry import RegistryDestination
from services.publisher.settings import PublisherSettings

Place = Callable[[SpecRecord, Parcel, str], AbstractAsyncContextManager[Destination]]


def place_of(settings: PublisherSettings, store: ObjectStore, note: Note = lambda *_: None) -> Place:
    """Give the function that opens a job's destination; registry errors leave it as the job's errors.

    `note` is told of each request to a registry. Each registry and each volume has slots of its own, so that one that
    stands still holds up nobody else's images.
    """
    tls_context(settings.registry_ca_file)  # A file that cannot be used is told now, and not by each job's end.
    slots: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def place(record: SpecRecord, parcel: Parcel, traceparent: str) -> AsyncIterator[Destination]:
        where = target(record.spec, record.job_id, settings.volumes_dir, settings.host_paths)
        slot = slots.setdefault(_shared(where), asyncio.Semaphore(settings.publish_at_once))
        async with slot, opened(where, parcel, traceparent) as destination:
            yield destination

    @asynccontextmanager
    async def opened(where: Target, parcel: Parcel, traceparent: str) -> AsyncIterator[Destination]:
        if isinstance(where, VolumeTarget):
            yield VolumeDestination(where, store, traceparent)
            return
        config = await read_secret(settings.secrets_dir, where.secret) if where.secret is not None else DockerConfig({})
        try:
            async with open_repository(
                where.reference,
                config.find(where.reference),
                insecure=settings.insecure_registries,
                ca_file=settings.registry_ca_file,
                allow=(*settings.source_allow, *settings.insecure_registries),
                also_pull=_neighbours(parcel, where.reference),
                silence_seconds=settings.registry_silence_seconds,
                note=note,
            ) as repository:
                yield RegistryDestination(repository, where.tags, traceparent)
        except RegistryError as error:
            raise job_error(error, where, config) from error

    return place


def _shared(where: Target) -> str:
    """What may be slow or away as a whole."""
    return str(where.root) if isinstance(where, VolumeTarget) else where.reference.domain


def job_error(error: RegistryError, where: RegistryTarget, config: DockerConfig) -> JobError:
    """What a registry's fault means for the job. The secret is named, its content is nowhere."""
    if isinstance(error, NotAuthorized):
        return UserError(Reason.PUSH_UNAUTHORIZED, f"{_who(where, config)} push to {where.reference}: {error}")
    if isinstance(error, RegistryRefused):
        return UserError(Reason.OUTPUT_REFUSED, f"{where.reference} cannot be pushed: {error}")
    return WorldError(Reason.REGISTRY_UNAVAILABLE, f"{where.reference} could not be pushed: {error}")


def _who(where: RegistryTarget, config: DockerConfig) -> str:
    """Who was not let in: a secret without a credential for the registry means an anonymous push, as with Docker."""
    if where.secret is None:
        return "without a secret nobody may"
    if config.find(where.reference) is not None:
        return f"secret {where.secret!r} does not let lorabus"
    helper = ", only the name of a credential helper, which is never run" if config.helpers else ""
    return f"secret {where.secret!r} has no credential for {where.reference.domain}{helper}; without one nobody may"


def _neighbours(parcel: Parcel, reference: ImageReference) -> tuple[str, ...]:
    """A repository of the same registry that has the layer, to mount it from."""
    places = [place for layer in parcel.layers if layer.record for place in layer.record.repositories]
    mine, prefix = f"{reference.domain}/{reference.path}", f"{reference.domain}/"
    found = [place.removeprefix(prefix) for place in places if place.startswith(prefix) and place != mine]
    return tuple(found[:1])
