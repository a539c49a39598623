"""Artifacts that point at an image, made findable: by the registry's own API, or by the fall-back tag without it.

Distribution spec 1.1, "Pushing Manifests with Subject" and "Referrers Tag Schema".
"""

from collections.abc import Sequence

from services.common.registry.descriptors import INDEX, MANIFEST, Descriptor, Index, to_json
from services.common.registry.errors import NotFound, RegistryRefused, RegistryUnavailable
from services.common.registry.repository import Repository
from services.common.registry.together import together

_TRIES = 5


async def put_referrers(repository: Repository, subject: str, artifacts: Sequence[tuple[bytes, Descriptor]]) -> None:
    """Put the artifacts' manifests; their blobs are there already. The tag gets what the registry does not list."""
    answers = await together(repository.put_manifest(one.digest, raw, MANIFEST) for raw, one in artifacts)
    told = zip(artifacts, answers, strict=True)
    unlisted = [one for (_, one), answer in told if answer.headers.get("OCI-Subject") != subject]
    if unlisted:
        await _list_in_tag(repository, subject, unlisted)


async def read_referrers(repository: Repository, subject: str) -> tuple[Descriptor, ...]:
    """The artifacts that the fall-back tag lists; none when there is no such tag. Another's image is not replaced."""
    tag = fallback_tag(subject)
    try:
        return Index.read((await repository.manifest(tag, scope=repository.push_scope)).raw).manifests
    except NotFound:
        return ()
    except ValueError as error:
        raise RegistryRefused(repository.host, f"{repository.path}:{tag} is no list of referrers: {error}") from None


def fallback_tag(subject: str) -> str:
    """`sha256-<hex>`, under which clients look when there is no API."""
    return subject.replace(":", "-")


async def _list_in_tag(repository: Repository, subject: str, descriptors: Sequence[Descriptor]) -> None:
    """Add them to the tag's index. Somebody may write it at the same time, so it is looked at again after each time."""
    for _ in range(_TRIES):
        listed = await read_referrers(repository, subject)
        known = {entry.digest for entry in listed}
        added = [descriptor for descriptor in descriptors if descriptor.digest not in known]
        if not added:
            return
        entries = [entry.to_json() for entry in (*listed, *added)]
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
        await repository.put_manifest(fallback_tag(subject), to_json(index), INDEX)
    tag = f"{repository.path}:{fallback_tag(subject)}"
    raise RegistryUnavailable(repository.host, f"{tag} does not keep what is written: others may be writing it, too")
