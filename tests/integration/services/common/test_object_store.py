"""One suite on both stores: a local folder and a real MinIO keep the same promises."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from deploy.native import minio
from schemas.failures import Reason
from services.common.errors import StartError, Unreachable, WorldError
from services.common.object_store import ObjectStore, open_store, prove_create_if_absent
from services.common.settings import Settings


@pytest.fixture(params=["folder", "minio"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ObjectStore]:
    if request.param == "folder":
        yield open_store(Settings(home=tmp_path))
        return
    server: minio.Server = request.getfixturevalue("minio_server")
    bucket: str = request.getfixturevalue("minio_bucket")
    yield open_store(
        Settings(
            home=tmp_path,
            store=f"s3://{bucket}/some/prefix",
            s3_endpoint=server.endpoint,
            s3_access_key=server.login.access_key,
            s3_secret_key=SecretStr(server.login.secret_key),
        )
    )


async def test_of_many_creators_exactly_one_wins(store: ObjectStore) -> None:
    outcomes = await asyncio.gather(*(store.create("a/b", f"{n}".encode()) for n in range(40)))
    assert outcomes.count(True) == 1
    assert await store.get("a/b") == f"{outcomes.index(True)}".encode()


async def test_a_create_that_is_sent_again_finds_its_own_bytes(store: ObjectStore) -> None:
    assert await store.create("a/b", b"mine")
    assert await store.create("a/b", b"mine")
    assert not await store.create("a/b", b"yours")


async def test_the_proof_passes_and_leaves_nothing(store: ObjectStore) -> None:
    await prove_create_if_absent(store)
    assert await store.list("probes/") == []


async def test_what_was_put_is_listed_read_sized_and_deleted(store: ObjectStore) -> None:
    for name in ("x/2", "x/1", "x/deep/er", "xy/3"):
        await store.put(name, name.encode())
    assert await store.list("x/") == ["x/1", "x/2", "x/deep/er"]
    assert await store.get("x/deep/er") == b"x/deep/er"
    assert await store.size("x/1") == 3
    await store.delete("x/1", "x/absent")
    assert (await store.get("x/1"), await store.size("x/1"), await store.exists("x/2")) == (None, None, True)


async def test_large_files_go_up_in_parts_and_come_back_whole(store: ObjectStore, tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.write_bytes(bytes(range(256)) * 160_000)
    await store.upload("big", source)
    await store.download("big", copy)
    assert copy.read_bytes() == source.read_bytes()
    assert b"".join([chunk async for chunk in store.stream("big")]) == source.read_bytes()


async def test_a_download_of_nothing_leaves_nothing(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        await store.download("absent", tmp_path / "copy")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("copy")]


async def test_a_store_that_is_not_there_is_named(tmp_path: Path) -> None:
    gone = Settings(
        home=tmp_path,
        store="s3://bucket",
        s3_endpoint="http://127.0.0.1:9",
        s3_access_key="a",
        s3_secret_key=SecretStr("b"),
    )
    store = open_store(gone)
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        await prove_create_if_absent(store)
    with pytest.raises(WorldError) as caught:
        await store.get("a")
    assert caught.value.reason is Reason.STORE_UNAVAILABLE


@pytest.mark.parametrize("address", ["", "minio", "http://bucket", "s3:///x", "file://relative/x"])
def test_a_malformed_address_says_what_is_right(address: str, tmp_path: Path) -> None:
    if not address:
        assert open_store(Settings(home=tmp_path, store=address)).address == f"file://{tmp_path}/store"
        return
    with pytest.raises(StartError, match="s3://bucket/prefix"):
        open_store(Settings(home=tmp_path, store=address))
