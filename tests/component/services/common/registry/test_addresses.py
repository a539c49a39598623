"""Registries that are elsewhere, nowhere, or stop listening."""

import asyncio

import pytest

from schemas.references import parse_reference
from services.common.registry.errors import RegistryRefused, RegistryUnavailable
from services.common.registry.repository import open_repository
from services.common.registry.upload import push_blob
from tests.component.services.common.registry.client import Bytes, repository
from tests.component.services.common.registry.fake_registry import FakeRegistry, Fault, running


async def test_redirects_end() -> None:
    async with running(FakeRegistry()) as registry, repository(registry) as remote:
        registry.fault = lambda *_: Fault("status", 302, (("Location", "/v2/team/a/manifests/v1"),))
        with pytest.raises(RegistryUnavailable, match="redirects more than"):
            await remote.resolve("v1")


async def test_plain_http_needs_to_be_listed() -> None:
    async with running(FakeRegistry()) as registry, repository(registry, insecure=[]) as remote:
        with pytest.raises(RegistryRefused, match="LORABUS_INSECURE_REGISTRIES"):
            await remote.resolve("v1")
        assert registry.log == []


async def test_a_name_that_nobody_knows_is_final() -> None:
    reference = parse_reference("no-such-host.invalid/a:v1")
    async with open_repository(reference) as remote:
        with pytest.raises(RegistryRefused, match="no such host"):
            await remote.resolve("v1")


async def test_a_registry_that_is_not_there_may_come_back() -> None:
    async with open_repository(parse_reference("127.0.0.1:9/a:v1"), insecure=["127.0.0.1:9"]) as remote:
        with pytest.raises(RegistryUnavailable, match="not reachable"):
            await remote.resolve("v1")


async def test_a_registry_that_stops_reading_is_left() -> None:
    async with running(FakeRegistry()) as registry, repository(registry, silence_seconds=0.3) as remote:
        registry.fault = lambda _, request, __: Fault("silence") if request.method == "PATCH" else None
        async with asyncio.timeout(20):
            with pytest.raises(RegistryUnavailable, match="in time"):
                await push_blob(remote, Bytes(bytes(20_000_000), known=False))
