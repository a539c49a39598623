"""The fall-back tag of referrers: one index that several publishers write, in a registry that knows no conditions."""

import json
from collections.abc import Iterator

import pytest
import stamina
from aiohttp import web

from services.common.registry.descriptors import EMPTY, INDEX, MANIFEST, Descriptor, sha256_of, to_json
from services.common.registry.errors import RegistryRefused, RegistryUnavailable
from services.common.registry.referrers import fallback_tag, put_referrers, read_referrers
from tests.component.services.common.registry.client import repository
from tests.component.services.common.registry.fake_registry import FakeRegistry, Fault, running

SUBJECT = sha256_of(b"an image")
TAG = f"team/a:{fallback_tag(SUBJECT)}"


@pytest.fixture(autouse=True)
def at_once() -> Iterator[None]:
    """Without waits between tries."""
    with stamina.set_testing(True, attempts=2, cap=True):
        yield


def artifact(name: str) -> tuple[bytes, Descriptor]:
    nothing = Descriptor(media_type=EMPTY, digest=sha256_of(b"{}"), size=2)
    raw = to_json({"mediaType": MANIFEST, "config": nothing.to_json(), "layers": [], "annotations": {"name": name}})
    return raw, Descriptor(media_type=MANIFEST, digest=sha256_of(raw), size=len(raw))


def index(*entries: Descriptor) -> bytes:
    return to_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry.to_json() for entry in entries]})


def overwriting(times: int, other: Descriptor, registry: FakeRegistry):  # type: ignore[no-untyped-def]
    """Another publisher's write, which knows nothing of ours, lands after each of our first `times` writes."""
    left = [times]

    def interleave(_number: int, request: web.Request, _: FakeRegistry) -> Fault | None:
        ours = [*json.loads(registry.manifests.get(TAG, index()))["manifests"]]
        mine = any(entry["digest"] != other.digest for entry in ours)
        if request.method == "GET" and mine and left[0]:
            left[0] -= 1
            registry.manifests[TAG] = index(other)
        return None

    return interleave


@pytest.mark.parametrize("times", [0, 1, 3])
async def test_what_another_publisher_overwrites_is_listed_again(times: int) -> None:
    (raw, ours), (_, theirs) = artifact("ours"), artifact("theirs")
    async with running(FakeRegistry(blobs={sha256_of(b"{}"): b"{}"})) as registry, repository(registry) as remote:
        registry.manifests[TAG] = index(theirs)
        registry.fault = overwriting(times, theirs, registry)
        await put_referrers(remote, SUBJECT, [(raw, ours)])
        listed = await read_referrers(remote, SUBJECT)
    assert [entry.digest for entry in listed] == [theirs.digest, ours.digest]
    assert sum(line.startswith("PUT") and "sha256-" in line for line in registry.log) == times + 1


async def test_a_tag_that_is_something_else_is_left_alone() -> None:
    raw, ours = artifact("ours")
    async with running(FakeRegistry(blobs={sha256_of(b"{}"): b"{}"})) as registry, repository(registry) as remote:
        registry.manifests[TAG] = raw
        with pytest.raises(RegistryRefused, match="is no list of referrers"):
            await put_referrers(remote, SUBJECT, [(raw, ours)])
        assert registry.manifests[TAG] == raw


async def test_a_tag_that_never_keeps_what_is_written_is_given_up() -> None:
    (raw, ours), (_, theirs) = artifact("ours"), artifact("theirs")
    async with running(FakeRegistry(blobs={sha256_of(b"{}"): b"{}"})) as registry, repository(registry) as remote:
        registry.fault = overwriting(1000, theirs, registry)
        with pytest.raises(RegistryUnavailable, match="does not keep what is written"):
            await put_referrers(remote, SUBJECT, [(raw, ours)])
