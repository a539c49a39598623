"""Manifests are what their digest says, in both directions, and of bounded size."""

import hashlib

import pytest

from services.common.registry.descriptors import (
    MANIFEST,
    MAX_MANIFEST_BYTES,
)
from services.common.registry.errors import NotFound, RegistryRefused, RegistryUnavailable
from tests.component.services.common.registry.client import repository
from tests.component.services.common.registry.fake_registry import FakeRegistry, Fault, running


async def test_a_manifest_must_be_what_its_digest_says() -> None:
    async with running(FakeRegistry()) as registry, repository(registry) as remote:
        asked = f"sha256:{'1' * 64}"
        registry.manifests[asked] = b'{"schemaVersion":2}'
        with pytest.raises(RegistryUnavailable, match="not what its digest says"):
            await remote.manifest(asked)
        with pytest.raises(NotFound):
            await remote.manifest("absent")
        registry.manifests["team/a:v1"] = b'{"schemaVersion":2,"config":7}'
        with pytest.raises(RegistryRefused, match="is no OCI image: config"):
            await remote.image("v1")


async def test_answers_have_a_limit() -> None:
    async with running(FakeRegistry()) as registry, repository(registry) as remote:
        registry.manifests["team/a:v1"] = b"{" + b" " * MAX_MANIFEST_BYTES + b"}"
        with pytest.raises(RegistryUnavailable, match="more than"):
            await remote.manifest("v1")


async def test_a_manifest_is_put_and_its_digest_compared() -> None:
    raw = b'{"schemaVersion":2,"manifests":[]}'
    async with running(FakeRegistry()) as registry, repository(registry) as remote:
        await remote.put_manifest("v1", raw, MANIFEST)
        assert await remote.resolve("v1") == f"sha256:{hashlib.sha256(raw).hexdigest()}"
        registry.fault = lambda *_: Fault("status", 201, (("Docker-Content-Digest", f"sha256:{'0' * 64}"),))
        with pytest.raises(RegistryUnavailable, match="another manifest"):
            await remote.put_manifest("v2", raw, MANIFEST)
