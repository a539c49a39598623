"""A file store, a spec for each kind of input, and web servers that misbehave on purpose."""

import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web

from bench.specs import spec_of
from schemas.workspace import InputSpec, ResolvedSpec, VolumeSource
from services.common.object_store import ObjectStore, open_store
from services.trainer.stage import StagedDataset, stage
from services.trainer.stage.settings import StagingSettings
from tests.component.services.trainer.stage.sources import Handler, Serve, Stage


@pytest.fixture
def settings(tmp_path: Path) -> StagingSettings:
    return StagingSettings(home=tmp_path, source_allow=("127.0.0.1",), source_wait=0.0, source_silence=5.0)


@pytest.fixture
def settings_home(settings: StagingSettings) -> Path:
    return settings.home


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def store(settings: StagingSettings) -> ObjectStore:
    return open_store(settings)


@pytest.fixture
def urls_spec() -> Callable[..., ResolvedSpec]:
    return lambda *urls: spec_of(InputSpec(kind="urls", urls=urls))


@pytest.fixture
def stage_urls(settings: StagingSettings, store: ObjectStore) -> Stage:
    async def run(*urls: str, **changes: object) -> StagedDataset:
        async def on_progress(done: int, total: int | None) -> None:
            return None

        changed = settings.model_copy(update=changes)
        return await stage(spec_of(InputSpec(kind="urls", urls=urls)), store, changed, on_progress=on_progress)

    return run


@pytest.fixture
def stage_volume(settings: StagingSettings, store: ObjectStore) -> Stage:
    """Keywords in capitals are sections of the training config, others are settings."""

    async def run(volume: VolumeSource, **changes: object) -> StagedDataset:
        async def on_progress(done: int, total: int | None) -> None:
            return None

        config = {name: value for name, value in changes.items() if name[0].isupper()}
        changed = settings.model_copy(update={name: value for name, value in changes.items() if name not in config})
        spec = spec_of(InputSpec(kind="volume", volume=volume), **config)
        return await stage(spec, store, changed, on_progress=on_progress)

    return run


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a server that answers every GET with one handler; gives its address without a slash at the end."""
    runners: list[web.AppRunner] = []

    async def start(handler: Handler) -> str:
        app = web.Application()
        app.router.add_get("/{path:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        runners.append(runner)
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()
