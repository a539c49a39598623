"""Blobs there and back: known and unknown digests, mounts, broken connections, wrong bytes."""

import pytest
from aiohttp import web

from services.common.registry.descriptors import (
    sha256_of,
)
from services.common.registry.errors import NotAuthorized, RegistryUnavailable
from services.common.registry.upload import push_blob
from tests.component.services.common.registry.client import DATA, Bytes, descriptor, read, repository
from tests.component.services.common.registry.fake_registry import FakeRegistry, Fault, running


@pytest.mark.parametrize("auth", ["none", "basic", "bearer"])
@pytest.mark.parametrize("known", [True, False])
async def test_a_blob_goes_there_and_back(auth: str, known: bool) -> None:
    async with running(FakeRegistry(auth=auth)) as registry, repository(registry) as remote:
        assert await push_blob(remote, Bytes(DATA, known=known), chunk_bytes=500_000)
        assert await read(remote, descriptor(DATA)) == DATA
        assert not await push_blob(remote, Bytes(DATA))


async def test_a_neighbour_s_blob_is_mounted_or_else_sent() -> None:
    for allowed in (True, False):
        async with running(FakeRegistry(auth="bearer", allow_mount=allowed)) as registry:
            registry.fault = lambda _, request, __: Fault("status", 404) if request.method == "HEAD" else None
            registry.blobs[sha256_of(DATA)] = DATA
            async with repository(registry, also_pull=["team/b"]) as remote:
                assert await push_blob(remote, Bytes(DATA), mount_from="team/b")
            assert any("from=team%2Fb" in line for line in registry.log)
            assert any(line.startswith("PATCH") for line in registry.log) is not allowed
            own = "repository:team/a:pull,push"
            assert registry.token_scopes == [[own, "repository:team/b:pull"], *([] if allowed else [[own]])]


@pytest.mark.parametrize("refuses", ["/token", "/v2/team/a/blobs/uploads/"])
@pytest.mark.parametrize("status", [401, 403, 405])
async def test_a_neighbour_that_is_not_ours_does_not_stop_the_push(refuses: str, status: int) -> None:
    """The registry lets nobody know of the other's repository, or its token server gives no token that names it."""
    async with running(FakeRegistry(auth="bearer")) as registry:

        def deny(_: int, request: web.Request, __: FakeRegistry) -> Fault | None:
            asks = request.path == refuses and "team/b" in str(request.query)
            return Fault("status", status, body=b"team/b is not yours") if asks else None

        registry.fault = deny
        async with repository(registry, also_pull=["team/b"]) as remote:
            assert await push_blob(remote, Bytes(DATA), mount_from="team/b")
        assert registry.blobs == {sha256_of(DATA): DATA}
        assert sum("team%2Fb" in line and line.startswith("POST") for line in registry.log) <= 1


async def test_an_upload_that_is_given_up_is_cancelled_at_the_registry() -> None:
    async with running(FakeRegistry()) as registry, repository(registry, tries=1) as remote:
        registry.fault = lambda _, request, __: Fault("status", 403) if request.method == "PATCH" else None
        with pytest.raises(NotAuthorized):
            await push_blob(remote, Bytes(DATA))
    assert [line.partition(" ")[0] for line in registry.log] == ["HEAD", "POST", "PATCH", "DELETE"]
    assert not registry.uploads


async def test_a_download_goes_on_where_it_was_cut() -> None:
    async with running(FakeRegistry(blobs={sha256_of(DATA): DATA})) as registry, repository(registry) as remote:

        async def cut(request: web.Request) -> web.StreamResponse:
            answer = web.StreamResponse(headers={"Content-Length": str(len(DATA))})
            await answer.prepare(request)
            await answer.write(DATA[:700_000])
            assert request.transport is not None
            request.transport.close()
            return answer

        registry.answer = lambda number: cut if number == 0 else None
        assert await read(remote, descriptor(DATA)) == DATA
        assert len(registry.log) == 2


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        (b"x" * len(DATA), "not what they should be"),
        (DATA + b"more", "more than"),
        (DATA[:-1], "missing"),
    ],
)
async def test_wrong_bytes_are_refused(sent: bytes, problem: str) -> None:
    async with running(FakeRegistry(blobs={sha256_of(DATA): sent})) as registry, repository(registry) as remote:
        with pytest.raises(RegistryUnavailable, match=problem):
            await read(remote, descriptor(DATA))
