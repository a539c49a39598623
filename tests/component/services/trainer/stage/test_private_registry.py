"""An image behind a password: asked for without a name first, then with each pull secret, as KAITO does."""

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from bench.specs import spec_of
from schemas.failures import Reason
from schemas.workspace import InputSpec
from services.common.errors import UserError
from services.common.object_store import ObjectStore
from services.trainer.stage import StagedDataset, stage
from services.trainer.stage.settings import StagingSettings

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass
class Registry:
    """What it was asked with: None, or the user's name."""

    address: str = ""
    users: list[str | None] = field(default_factory=list)


@pytest.fixture
async def registry() -> AsyncIterator[Registry]:
    """Serves one image to `reader` with the password `right`, and says 401 to everybody else."""
    layer, config = _layer(), b"{}"
    blobs = {_digest(blob): blob for blob in (layer, config)}
    described = [{"mediaType": "x", "digest": digest, "size": len(blob)} for digest, blob in blobs.items()]
    manifest = json.dumps({"schemaVersion": 2, "config": described[1], "layers": described[:1]}).encode()
    found = Registry()

    async def answer(request: web.Request) -> web.Response:
        given = request.headers.get("Authorization")
        login = base64.b64decode(given.removeprefix("Basic ")).decode() if given else None
        found.users.append(login.partition(":")[0] if login else None)
        if login != "reader:right":
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="registry"'})
        if "/manifests/" in request.path:
            return web.Response(body=manifest, content_type=MANIFEST)
        return web.Response(body=blobs[request.path.rpartition("/")[2]])

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.address = f"127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


def _layer() -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as tar:
        info = tarfile.TarInfo("data/a.csv")
        info.size = 7
        tar.addfile(info, io.BytesIO(b"text\nx\n"))
    return sink.getvalue()


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


async def fetch(
    registry: Registry, store: ObjectStore, settings: StagingSettings, passwords: dict[str, str]
) -> StagedDataset:
    """`passwords` by the name of the secret that holds them."""

    async def on_progress(done: int, total: int | None) -> None:
        return None

    for name, password in passwords.items():
        auth = base64.b64encode(f"reader:{password}".encode()).decode()
        folder = settings.secrets_dir / name
        folder.mkdir(parents=True)
        (folder / ".dockerconfigjson").write_text(json.dumps({"auths": {registry.address: {"auth": auth}}}))
    source = InputSpec(kind="image", image=f"{registry.address}/team/data:1", pull_secrets=tuple(passwords))
    changed = settings.model_copy(update={"insecure_registries": (registry.address,)})
    return await stage(spec_of(source), store, changed, on_progress=on_progress)


async def test_the_secret_that_fits_is_found_among_several(
    registry: Registry, store: ObjectStore, settings: StagingSettings
) -> None:
    dataset = await fetch(registry, store, settings, {"old": "wrong", "new": "right"})
    assert [file.name for file in dataset.files] == ["a.csv"]
    assert registry.users[0] is None


async def test_no_secret_that_fits_is_said_without_its_content(
    registry: Registry, store: ObjectStore, settings: StagingSettings
) -> None:
    with pytest.raises(UserError, match="imagePullSecrets") as caught:
        await fetch(registry, store, settings, {"old": "wr0ng-s3cret"})
    assert caught.value.reason is Reason.SOURCE_UNAUTHORIZED
    assert "wr0ng-s3cret" not in caught.value.message


async def test_without_any_secret_the_way_out_is_named(
    registry: Registry, store: ObjectStore, settings: StagingSettings
) -> None:
    with pytest.raises(UserError, match="imagePullSecrets") as caught:
        await fetch(registry, store, settings, {})
    assert caught.value.reason is Reason.SOURCE_UNAUTHORIZED
