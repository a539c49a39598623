"""The client against a registry that checks, lies, redirects and asks for proof: what it sends, and what it takes."""

import asyncio
import gzip
import hashlib
import io
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import stamina
from aiohttp import web

from schemas.references import parse_reference
from services.common.registry.descriptors import (
    LAYER_GZIP,
    MANIFEST,
    MAX_MANIFEST_BYTES,
    Descriptor,
    Manifest,
    sha256_of,
)
from services.common.registry.docker_config import Credential
from services.common.registry.download import download_files
from services.common.registry.errors import NotAuthorized, NotFound, RegistryRefused, RegistryUnavailable
from services.common.registry.repository import Repository, open_repository
from services.common.registry.unpack import Limits
from services.common.registry.upload import push_blob
from tests.component.services.common.registry.fake_registry import PASSWORD, USER, FakeRegistry, Fault, running

GOOD = Credential(USER, PASSWORD)
DATA = bytes(range(256)) * 8_000


class Bytes:
    """A source in memory whose digest is found out by reading."""

    def __init__(self, data: bytes, *, known: bool = True) -> None:
        self._data = data
        self.size = len(data)
        self.digest = sha256_of(data) if known else None

    async def read(self, offset: int) -> AsyncIterator[bytes]:
        for start in range(offset, self.size, 300_000):
            yield self._data[start : start + 300_000]
        self.digest = sha256_of(self._data)


@pytest.fixture(autouse=True)
def at_once() -> Iterator[None]:
    with stamina.set_testing(True, attempts=4, cap=True):
        yield


def repository(registry: FakeRegistry, credential: Credential | None = GOOD, **more: object):  # type: ignore[no-untyped-def]
    options = {"insecure": [registry.address], "silence_seconds": 1.0, **more}
    return open_repository(parse_reference(f"{registry.address}/team/a:v1"), credential, **options)  # type: ignore[arg-type]


def descriptor(data: bytes) -> Descriptor:
    return Descriptor(media_type=LAYER_GZIP, digest=sha256_of(data), size=len(data))


async def read(source: Repository, wanted: Descriptor) -> bytes:
    return b"".join([chunk async for chunk in source.blob(wanted)])


@pytest.mark.parametrize("auth", ["none", "basic", "bearer"])
@pytest.mark.parametrize("known", [True, False])
async def test_a_blob_goes_there_and_back(auth: str, known: bool) -> None:
    async with running(FakeRegistry(auth=auth)) as registry, repository(registry) as remote:
        assert await push_blob(remote, Bytes(DATA, known=known), chunk_bytes=500_000)
        assert await read(remote, descriptor(DATA)) == DATA
        assert not await push_blob(remote, Bytes(DATA))


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


async def test_redirects_end() -> None:
    async with running(FakeRegistry()) as registry, repository(registry) as remote:
        registry.fault = lambda *_: Fault("status", 302, (("Location", "/v2/team/a/manifests/v1"),))
        with pytest.raises(RegistryUnavailable, match="redirects more than"):
            await remote.resolve("v1")


async def test_a_neighbour_s_blob_is_mounted_or_else_sent() -> None:
    for allowed in (True, False):
        async with running(FakeRegistry(auth="bearer", allow_mount=allowed)) as registry:
            registry.fault = lambda _, request, __: Fault("status", 404) if request.method == "HEAD" else None
            registry.blobs[sha256_of(DATA)] = DATA
            async with repository(registry, also_pull=["team/b"]) as remote:
                assert await push_blob(remote, Bytes(DATA), mount_from="team/b")
            assert any("from=team%2Fb" in line for line in registry.log)
            assert any(line.startswith("PATCH") for line in registry.log) is not allowed
            assert registry.token_scopes[0] == ["repository:team/a:pull,push", "repository:team/b:pull"]


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


def layer_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def link(name: str, to: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, to
    return info


async def taken(registry: FakeRegistry, out: Path, *layers: bytes, limits: Limits | None = None) -> list[str]:
    config = b"{}"
    registry.blobs |= {sha256_of(blob): blob for blob in (*layers, config)}
    manifest = Manifest(config=descriptor(config), layers=tuple(descriptor(layer) for layer in layers))
    out.mkdir(exist_ok=True)
    async with repository(registry) as remote:
        return await download_files(remote, manifest, out, lambda path: path.startswith("data/"), limits)


async def test_files_of_all_layers_with_whiteouts(tmp_path: Path) -> None:
    first = layer_of((tarfile.TarInfo("./data/a.csv"), b"old"), (tarfile.TarInfo("data/b.csv"), b"b"))
    second = layer_of(
        (tarfile.TarInfo("/data/a.csv"), b"new"),
        (tarfile.TarInfo("data/.wh.b.csv"), b""),
        (tarfile.TarInfo("etc/x"), b""),
    )
    async with running(FakeRegistry()) as registry:
        assert await taken(registry, tmp_path / "out", first, second) == ["data/a.csv"]
    assert (tmp_path / "out" / "data" / "a.csv").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    "layer",
    [
        layer_of((tarfile.TarInfo("data/../../evil"), b"x")),
        layer_of((link("data/a", "/etc/passwd"), b"")),
        layer_of((link("data", "/tmp"), b""), (tarfile.TarInfo("data/a/../../evil"), b"x")),
        b"no tar at all",
        gzip.compress(b"no tar at all"),
        layer_of((tarfile.TarInfo("data/a"), b"x" * 5000))[:-20],
    ],
)
async def test_layers_that_mean_harm_or_are_broken(tmp_path: Path, layer: bytes) -> None:
    async with running(FakeRegistry()) as registry:
        with pytest.raises(RegistryRefused):
            await taken(registry, tmp_path / "out", layer)
    assert not (tmp_path / "evil").exists()
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_symlink()]


async def test_a_small_layer_that_unpacks_to_much_is_stopped(tmp_path: Path) -> None:
    bomb = layer_of((tarfile.TarInfo("data/zeros"), bytes(20_000_000)))
    async with running(FakeRegistry()) as registry:
        with pytest.raises(RegistryRefused, match="unpacks to more"):
            await taken(registry, tmp_path / "out", bomb, limits=Limits(bytes=1_000_000))


async def test_a_manifest_is_put_and_its_digest_compared() -> None:
    raw = b'{"schemaVersion":2,"manifests":[]}'
    async with running(FakeRegistry()) as registry, repository(registry) as remote:
        await remote.put_manifest("v1", raw, MANIFEST)
        assert await remote.resolve("v1") == f"sha256:{hashlib.sha256(raw).hexdigest()}"
        registry.fault = lambda *_: Fault("status", 201, (("Docker-Content-Digest", f"sha256:{'0' * 64}"),))
        with pytest.raises(RegistryUnavailable, match="another manifest"):
            await remote.put_manifest("v2", raw, MANIFEST)
