"""Staging into a real MinIO: bounded memory, nothing left behind by what fails, and a store that dies in the middle."""

import asyncio
import hashlib
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from minio import Minio
from pydantic import SecretStr

from bench.specs import spec_of
from bench.staging_memory import bytes_server, staged_memory
from deploy.native import minio
from deploy.native.stack import MINIO, Supervisor
from schemas.workspace import InputSpec, VolumeSource
from services.common.errors import WorldError
from services.common.object_store import ObjectStore, open_store
from services.trainer.stage import StagedDataset, stage
from services.trainer.stage.settings import StagingSettings

Stage = Callable[..., Awaitable[StagedDataset]]
MIB = 1024 * 1024
VOLUME = InputSpec(kind="volume", volume=VolumeSource(claim_name="data"))


def settings_for(home: Path, server: minio.Server, bucket: str) -> StagingSettings:
    return StagingSettings(
        home=home,
        store=f"s3://{bucket}",
        s3_endpoint=server.endpoint,
        s3_access_key=server.login.access_key,
        s3_secret_key=SecretStr(server.login.secret_key),
        source_allow=("127.0.0.1",),
        source_tries=1,
    )


@pytest.fixture
def settings(tmp_path: Path, minio_server: minio.Server, minio_bucket: str) -> StagingSettings:
    return settings_for(tmp_path, minio_server, minio_bucket)


@pytest.fixture
def store(settings: StagingSettings) -> ObjectStore:
    return open_store(settings)


@pytest.fixture
def claim(tmp_path: Path) -> Path:
    folder = tmp_path / "volumes" / "data"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def run(settings: StagingSettings, store: ObjectStore) -> Stage:
    async def staged(source: InputSpec, on_progress: Callable[[int], None] = lambda _: None) -> StagedDataset:
        async def progress(done: int, total: int | None) -> None:
            on_progress(done)

        return await stage(spec_of(source), store, settings, on_progress=progress)

    return staged


def random_file(path: Path, mib: int) -> str:
    """A file of bytes that no server can pack, and its digest."""
    block = os.urandom(MIB)
    running = hashlib.sha256()
    with path.open("wb") as file:
        for number in range(mib):
            piece = number.to_bytes(8) + block[8:]
            file.write(piece)
            running.update(piece)
    return f"sha256:{running.hexdigest()}"


async def digest_in(store: ObjectStore, key: str) -> str:
    running = hashlib.sha256()
    async for chunk in store.stream(key):
        running.update(chunk)
    return f"sha256:{running.hexdigest()}"


def unfinished(server: minio.Server, bucket: str) -> list[str]:
    """Uploads in parts that were neither completed nor aborted."""
    client = Minio(server.address, server.login.access_key, server.login.secret_key, secure=False)
    return [upload.object_name for upload in client._list_multipart_uploads(bucket, prefix="").uploads]


async def test_a_file_of_many_parts_arrives_whole(run: Stage, claim: Path, store: ObjectStore) -> None:
    digest = random_file(claim / "a.csv", 50)
    (file,) = (await run(VOLUME)).files
    assert file.digest == digest
    assert await digest_in(store, file.key) == digest
    assert (await run(VOLUME)).reused


async def test_memory_stays_bounded_however_large_the_file(settings: StagingSettings) -> None:
    """`python -m bench.staging --memory --mib 2048` does the same with 2 GiB; a file that were held whole is over."""
    with bytes_server() as address:
        added = await staged_memory(InputSpec(kind="urls", urls=(f"{address}/320.csv",)), settings)
    assert added / MIB < 200


async def test_a_source_that_breaks_leaves_no_upload(
    run: Stage, minio_server: minio.Server, minio_bucket: str, store: ObjectStore
) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(100 * MIB)})
        await response.prepare(request)
        for _ in range(60):
            await response.write(bytes(MIB))
        assert unfinished(minio_server, minio_bucket)
        assert request.transport is not None
        request.transport.close()
        return response

    app = web.Application()
    app.router.add_get("/a.csv", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    with pytest.raises(WorldError, match="could not be read"):
        await run(InputSpec(kind="urls", urls=(f"http://127.0.0.1:{runner.addresses[0][1]}/a.csv",)))
    await runner.cleanup()
    assert unfinished(minio_server, minio_bucket) == []
    assert await store.list("datasets/") == []


async def test_a_cancelled_staging_leaves_no_upload(
    run: Stage, claim: Path, minio_server: minio.Server, minio_bucket: str, store: ObjectStore
) -> None:
    random_file(claim / "a.csv", 120)
    begun = asyncio.Event()
    staging = asyncio.ensure_future(run(VOLUME, lambda done: begun.set() if done > 64 * MIB else None))
    await begun.wait()
    staging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await staging
    assert unfinished(minio_server, minio_bucket) == []
    assert await store.list("datasets/") == []


async def test_a_store_that_is_killed_and_comes_back_gets_every_byte(tmp_path: Path, claim: Path) -> None:
    """Proves that parts in flight are sent again: the store dies without a word while a file is half there."""
    supervisor = Supervisor(tmp_path / "native", usual_ports=False)
    server = minio.Server(supervisor.up([MINIO])["minio"].address, minio.credentials(supervisor.home))
    server.create_bucket("data")
    settings = settings_for(tmp_path, server, "data")
    store = open_store(settings)
    digest = random_file(claim / "a.csv", 160)
    halfway = asyncio.Event()

    async def progress(done: int, total: int | None) -> None:
        if done > 48 * MIB:
            halfway.set()

    staging = asyncio.ensure_future(stage(spec_of(VOLUME), store, settings, on_progress=progress))
    try:
        await halfway.wait()
        assert not staging.done()
        os.kill(supervisor.status()[0]["pid"], signal.SIGKILL)
        await asyncio.to_thread(supervisor.up, [MINIO])
        (file,) = (await staging).files
        assert file.digest == digest
        assert await digest_in(store, file.key) == digest
    finally:
        staging.cancel()
        await asyncio.gather(staging, return_exceptions=True)
        await asyncio.to_thread(supervisor.down)
