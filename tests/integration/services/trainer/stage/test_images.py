"""Datasets in images, from a real registry into a file store."""

import gzip
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest
import zstandard

from bench.specs import spec_of
from schemas.failures import Reason
from schemas.workspace import InputSpec
from services.common.errors import UserError
from services.common.object_store import ObjectStore, open_store
from services.trainer.stage import StagedDataset, stage
from services.trainer.stage.settings import StagingSettings

Push = Callable[..., Awaitable[str]]
LayerOf = Callable[[Mapping[str, bytes]], bytes]
Stage = Callable[[str], Awaitable[StagedDataset]]

OCI_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
DOCKER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"


@pytest.fixture
def settings(tmp_path: Path, registry_address: str) -> StagingSettings:
    return StagingSettings(home=tmp_path, insecure_registries=(registry_address,))


@pytest.fixture
def store(settings: StagingSettings) -> ObjectStore:
    return open_store(settings)


@pytest.fixture
def stage_image(settings: StagingSettings, store: ObjectStore) -> Stage:
    async def run(image: str) -> StagedDataset:
        async def on_progress(done: int, total: int | None) -> None:
            return None

        return await stage(spec_of(InputSpec(kind="image", image=image)), store, settings, on_progress=on_progress)

    return run


@pytest.mark.parametrize("index", [False, True])
@pytest.mark.parametrize("docker", [False, True])
async def test_every_kind_of_image(
    push: Push, layer_of: LayerOf, stage_image: Stage, store: ObjectStore, docker: bool, index: bool
) -> None:
    base = layer_of({"bin/sh": b"#!", "data/old.csv": b"old", "data/b.csv": b"first"})
    upper = layer_of({"data/.wh.old.csv": b"", "data/b.csv": b"second", "data/sub/a.jsonl": b"{}"})
    media_type = DOCKER_GZIP if docker else OCI_GZIP
    dataset = await stage_image(await push([(base, media_type), (upper, media_type)], docker=docker, index=index))
    assert [file.name for file in dataset.files] == ["b.csv", "sub/a.jsonl"]
    assert [await store.get(file.key) for file in dataset.files] == [b"second", b"{}"]


@pytest.mark.parametrize(("pack", "media_type"), [(bytes, OCI_GZIP), (zstandard.compress, OCI_ZSTD)])
async def test_other_compressions(
    push: Push, layer_of: LayerOf, stage_image: Stage, pack: Callable[[bytes], bytes], media_type: str
) -> None:
    plain = gzip.decompress(layer_of({"data/a.csv": b"1" * 100_000}))
    dataset = await stage_image(await push([(pack(plain), media_type)]))
    assert (dataset.files[0].name, dataset.files[0].size) == ("a.csv", 100_000)


async def test_the_same_image_again_transfers_nothing(push: Push, layer_of: LayerOf, stage_image: Stage) -> None:
    image = await push([(layer_of({"data/a.csv": b"1"}), OCI_GZIP)])
    first, second = await stage_image(image), await stage_image(image)
    assert (first.reused, second.reused, first.digest) == (False, True, second.digest)


async def test_an_image_without_data_says_where_it_should_be(push: Push, layer_of: LayerOf, stage_image: Stage) -> None:
    with pytest.raises(UserError, match="no data file below /data") as caught:
        await stage_image(await push([(layer_of({"etc/a.csv": b"1"}), OCI_GZIP)]))
    assert caught.value.reason is Reason.DATASET_EMPTY


async def test_a_hostile_layer_is_named_with_its_image(push: Push, layer_of: LayerOf, stage_image: Stage) -> None:
    image = await push([(layer_of({"data/../../x.csv": b"1"}), OCI_GZIP)])
    with pytest.raises(UserError, match=f"image {image} cannot be read: .* leads out") as caught:
        await stage_image(image)
    assert caught.value.reason is Reason.DATASET_UNREADABLE


async def test_an_image_that_is_not_there(stage_image: Stage, registry_address: str) -> None:
    with pytest.raises(UserError, match="no-such-image") as caught:
        await stage_image(f"{registry_address}/no-such-image:latest")
    assert caught.value.reason is Reason.SOURCE_NOT_FOUND


async def test_a_registry_inside_is_refused_unless_it_is_allowed(settings: StagingSettings, store: ObjectStore) -> None:
    async def on_progress(done: int, total: int | None) -> None:
        return None

    spec = spec_of(InputSpec(kind="image", image="127.0.0.1:1/data:latest"))
    with pytest.raises(UserError, match="LORABUS_SOURCE_ALLOW") as caught:
        await stage(spec, store, settings, on_progress=on_progress)
    assert caught.value.reason is Reason.SOURCE_REFUSED


async def test_a_missing_pull_secret_is_named(settings: StagingSettings, store: ObjectStore) -> None:
    async def on_progress(done: int, total: int | None) -> None:
        return None

    source = InputSpec(kind="image", image="127.0.0.1:1/data:latest", pull_secrets=("pull-me",))
    with pytest.raises(UserError, match="pull-me") as caught:
        await stage(spec_of(source), store, settings, on_progress=on_progress)
    assert caught.value.reason is Reason.SECRET_MISSING
