"""Who we are, shown to the registry alone: tokens, wrong secrets, redirects and foreign upload addresses."""

import pytest
from aiohttp import web

from services.common.registry.descriptors import (
    sha256_of,
)
from services.common.registry.docker_config import Credential
from services.common.registry.errors import NotAuthorized, RegistryRefused
from services.common.registry.upload import push_blob
from tests.component.services.common.registry.client import DATA, Bytes, descriptor, read, repository
from tests.component.services.common.registry.fake_registry import PASSWORD, USER, FakeRegistry, Fault, running


async def test_an_identity_token_is_exchanged() -> None:
    async with running(FakeRegistry(auth="bearer")) as registry:
        async with repository(registry, Credential(identity_token=PASSWORD)) as remote:
            assert await push_blob(remote, Bytes(DATA))
        assert registry.token_scopes == [["repository:team/a:pull,push"]]


@pytest.mark.parametrize("auth", ["basic", "bearer"])
@pytest.mark.parametrize("credential", [None, Credential(USER, "wrong-but-still-secret"), Credential(USER, "x")])
async def test_a_wrong_secret_is_final_and_shown_nowhere(auth: str, credential: Credential | None) -> None:
    async with running(FakeRegistry(auth=auth)) as registry, repository(registry, credential) as remote:
        with pytest.raises(NotAuthorized) as caught:
            await push_blob(remote, Bytes(DATA))
        assert len(registry.log) <= 3
    for secret in credential.secrets if credential else ():
        assert secret not in str(caught.value)


async def test_what_a_registry_echoes_is_hidden() -> None:
    """The fake token server repeats the header that it was sent."""
    async with running(FakeRegistry(auth="bearer", realm="")) as registry:
        credential = Credential(USER, "not-the-right-one")
        async with repository(registry, credential) as remote:
            with pytest.raises(NotAuthorized, match=r"you sent Basic \[hidden\]") as caught:
                await remote.resolve("v1")
    assert "not-the-right-one" not in str(caught.value)


async def test_a_foreign_upload_address_gets_bytes_but_no_credential() -> None:
    async with running(FakeRegistry()) as storage, running(FakeRegistry(auth="basic")) as registry:
        storage.uploads = registry.uploads
        storage.blobs = registry.blobs
        registry.upload_host = f"http://{storage.address}"
        async with repository(registry, insecure=[registry.address, storage.address]) as remote:
            assert await push_blob(remote, Bytes(DATA))
        assert any(line.startswith("PATCH") for line in storage.log)
        assert storage.authorizations == [None] * len(storage.log)
        assert sha256_of(DATA) in registry.blobs


async def test_a_redirected_blob_is_read_without_credential() -> None:
    async with running(FakeRegistry(blobs={sha256_of(DATA): DATA})) as storage:
        async with running(FakeRegistry(auth="basic")) as registry:
            there = f"http://{storage.address}/v2/x/blobs/{sha256_of(DATA)}"

            def redirect(_: int, request: web.Request, __: FakeRegistry) -> Fault | None:
                known = request.headers.get("Authorization")
                return Fault("status", 307, (("Location", there),)) if known else None

            registry.fault = redirect
            async with repository(registry, insecure=[registry.address, storage.address]) as remote:
                assert await read(remote, descriptor(DATA)) == DATA
            async with repository(registry, insecure=[registry.address]) as careful:
                with pytest.raises(RegistryRefused, match="LORABUS_INSECURE_REGISTRIES"):
                    await read(careful, descriptor(DATA))
        assert storage.authorizations == [None]
