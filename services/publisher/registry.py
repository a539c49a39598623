"""Puts an image into a registry: blobs side by side, then the manifest, read back and checked, the tags last."""

import asyncio
from collections.abc import Coroutine, Iterable

from services.common.registry.descriptors import MANIFEST
from services.common.registry.errors import RegistryRefused, RegistryUnavailable
from services.common.registry.referrers import put_referrers
from services.common.registry.repository import Repository
from services.common.registry.upload import Source, push_blob
from services.common.telemetry import span
from services.publisher.destinations import BeforeTag, OnBytes, Parcel
from services.publisher.manifest import Image
from services.publisher.model_pack import tag_of
from services.publisher.referrers import NOTHING, Referrer
from services.publisher.sources import BytesSource, LayerSource


class RegistryDestination:
    """A repository and the tags to move."""

    def __init__(self, repository: Repository, tags: tuple[str, ...], traceparent: str) -> None:
        """`tags` are moved in order."""
        self._repository = repository
        self._tags = tags
        self._traceparent = traceparent

    async def put(self, parcel: Parcel, on_bytes: OnBytes, before_tag: BeforeTag) -> tuple[Image, str]:
        """Push what the registry lacks and move the tags."""
        await _together(self._push_layer(layer, on_bytes) for layer in parcel.layers)
        image = parcel.assemble()
        await self._push("config", BytesSource(image.config), on_bytes)
        await self._put_manifest(image)
        await self._put_referrers(image, parcel.referrers(image), on_bytes)
        model = parcel.model_pack(image) if parcel.model_pack else None
        if model is not None:
            await self._push("model config", BytesSource(model.document), on_bytes)
        await before_tag()
        if model is not None:
            await self._tag(tag_of(self._tags[-1]), model.descriptor.digest, model.manifest)
        for tag in self._tags:
            await self._tag(tag, image.digest, image.manifest)
        reference = f"{self._repository.host}/{self._repository.path}:{self._tags[-1]}"
        return image, reference

    async def _push_layer(self, layer: LayerSource, on_bytes: OnBytes) -> None:
        await layer.measure()
        await self._push(layer.name, layer, on_bytes)

    async def _push(self, name: str, source: Source, on_bytes: OnBytes) -> None:
        attributes: dict[str, str | int] = {"lorabus.blob": name, "lorabus.bytes": source.size}
        with span("image.push.blob", self._traceparent, attributes):
            await push_blob(
                self._repository,
                source,
                mount_from=next(iter(self._repository.also_pull), None),
                on_bytes=lambda done: on_bytes(name, done),
            )

    async def _put_manifest(self, image: Image) -> None:
        """Put it under its digest, where no tag shows it yet, and look at all of it with the registry's eyes."""
        repository = self._repository
        if await repository.resolve(image.digest, scope=repository.push_scope) is None:
            await repository.put_manifest(image.digest, image.manifest, MANIFEST)
        back = await repository.manifest(image.digest, scope=repository.push_scope)
        if back.raw != image.manifest:
            raise RegistryUnavailable(repository.host, f"{repository.path}: gives back another manifest than was put")
        await _together(self._check(blob.digest, blob.size) for blob in image.blobs)

    async def _put_referrers(self, image: Image, referrers: tuple[Referrer, ...], on_bytes: OnBytes) -> None:
        await self._push("nothing", BytesSource(NOTHING), on_bytes)
        for referrer in referrers:
            await self._push(referrer.descriptor.artifact_type or "referrer", BytesSource(referrer.document), on_bytes)
        told = [(referrer.manifest, referrer.descriptor) for referrer in referrers]
        await put_referrers(self._repository, image.digest, told)

    async def _check(self, digest: str, size: int) -> None:
        repository = self._repository
        there = await repository.blob_size(digest, scope=repository.push_scope)
        if there is None or there not in (size, -1):
            found = "is missing" if there is None else f"has {there:,} bytes instead of {size:,}"
            raise RegistryUnavailable(repository.host, f"{repository.path}@{digest} {found} after the push")

    async def _tag(self, tag: str, digest: str, manifest: bytes) -> None:
        repository = self._repository
        if await repository.resolve(tag, scope=repository.push_scope) != digest:
            await repository.put_manifest(tag, manifest, MANIFEST)


async def _together(works: Iterable[Coroutine[None, None, None]]) -> None:
    """Do them side by side; the first fault ends the others and is raised as it is, a final one before others."""
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except ExceptionGroup as faults:
        errors = sorted(faults.exceptions, key=lambda error: not isinstance(error, RegistryRefused))
        raise errors[0] from None
