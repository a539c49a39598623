"""Artifacts that point at an image, made findable: by the registry's own API, or by the fall-back tag without it.

Distribution spec 1.1, "Pushing Manifests with Subject" and "Referrers Tag Schema".
"""

from services.common.registry.descriptors import INDEX, MANIFEST, Descriptor, Index, to_json
from services.common.registry.errors import NotFound
from services.common.registry.repository import Repository


async def put_referrer(repository: Repository, subject: str, raw: bytes, descriptor: Descriptor) -> None:
    """Put the artifact's manifest; its blobs are there already."""
    answer = await repository.put_manifest(descriptor.digest, raw, MANIFEST)
    if answer.headers.get("OCI-Subject") != subject:
        await _list_in_tag(repository, subject, descriptor)


async def read_referrers(repository: Repository, subject: str) -> tuple[Descriptor, ...]:
    """The artifacts that the fall-back tag lists; none when there is no such tag."""
    try:
        fetched = await repository.manifest(fallback_tag(subject), scope=repository.push_scope)
    except NotFound:
        return ()
    return Index.read(fetched.raw).manifests


def fallback_tag(subject: str) -> str:
    """`sha256-<hex>`, under which clients look when there is no API."""
    return subject.replace(":", "-")


async def _list_in_tag(repository: Repository, subject: str, descriptor: Descriptor) -> None:
    listed = await read_referrers(repository, subject)
    if any(entry.digest == descriptor.digest for entry in listed):
        return
    entries = [entry.to_json() for entry in (*listed, descriptor)]
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
    await repository.put_manifest(fallback_tag(subject), to_json(index), INDEX)
