"""Puts an image into a registry: blobs side by side, then the manifest, read back and checked, the tags last."""

from collections.abc import Iterable, Iterator, Mapping

from services.common.registry.descriptors import MANIFEST
from services.common.registry.errors import RegistryUnavailable
from services.common.registry.referrers import put_referrers
from services.common.registry.repository import Repository
from services.common.registry.together import together
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
        layers = (self._push_layer(layer, on_bytes) for layer in parcel.layers)
        await together((*layers, self._push("nothing", BytesSource(NOTHING), on_bytes)))
        image = parcel.assemble()
        told = parcel.referrers(image)
        model = parcel.model_pack(image) if parcel.model_pack else None
        await together(self._push(name, BytesSource(data), on_bytes) for name, data in _documents(image, told, model))
        await self._put_manifest(image)
        beside = put_referrers(self._repository, image.digest, [(one.manifest, one.descriptor) for one in told])
        await together((self._look_back(image), beside))
        tags = dict.fromkeys(self._tags, (image.digest, image.manifest))
        if model is not None:
            tags = {tag_of(self._tags[-1]): (model.descriptor.digest, model.manifest), **tags}
        await self._move(tags, before_tag)
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
        """Put it under its digest, where no tag shows it yet."""
        repository = self._repository
        if await repository.resolve(image.digest, scope=repository.push_scope) is None:
            await repository.put_manifest(image.digest, image.manifest, MANIFEST)

    async def _look_back(self, image: Image) -> None:
        """Look at all of it with the registry's eyes."""
        await together((self._read_back(image), *(self._check(blob.digest, blob.size) for blob in image.blobs)))

    async def _read_back(self, image: Image) -> None:
        repository = self._repository
        back = await repository.manifest(image.digest, scope=repository.push_scope)
        if back.raw != image.manifest:
            raise RegistryUnavailable(repository.host, f"{repository.path}: gives back another manifest than was put")

    async def _check(self, digest: str, size: int) -> None:
        repository = self._repository
        there = await repository.blob_size(digest, scope=repository.push_scope)
        if there is None or there not in (size, -1):
            found = "is missing" if there is None else f"has {there:,} bytes instead of {size:,}"
            raise RegistryUnavailable(repository.host, f"{repository.path}@{digest} {found} after the push")

    async def _move(self, tags: Mapping[str, tuple[str, bytes]], before_tag: BeforeTag) -> None:
        """Put the tags on their manifests, in order."""
        repository = self._repository
        there = await together(repository.resolve(tag, scope=repository.push_scope) for tag in tags)
        await before_tag()
        for (tag, (digest, manifest)), now in zip(tags.items(), there, strict=True):
            if now != digest:
                await repository.put_manifest(tag, manifest, MANIFEST)


def _documents(image: Image, told: Iterable[Referrer], model: Referrer | None) -> Iterator[tuple[str, bytes]]:
    """What is pushed once the layers' digests are known, by the names that people see."""
    yield "config", image.config
    for referrer in told:
        yield referrer.descriptor.artifact_type or "referrer", referrer.document
    if model is not None:
        yield "model config", model.document
