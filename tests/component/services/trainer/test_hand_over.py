"""What the trainer says of the image's layer is what the publisher finds out when it packs the same files itself."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import get_args

import pytest

from schemas import store_keys
from schemas.records import AdapterManifest, SpecRecord
from services.common.errors import WorldError
from services.common.layers.adapter import describe
from services.common.layers.plan import Compression
from services.common.layers.records import LayerRecord, layer_key
from services.common.object_store import ObjectStore, open_store
from services.common.settings import Settings
from services.publisher.plan import layer_files
from services.publisher.sources import LayerSource
from services.trainer.hand_over import store_adapter
from tests.component.services.publisher.jobs import to_claim, trained_job

COMPRESSIONS = get_args(Compression)


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(Settings(home=tmp_path))


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """Two files of the layer, the weights longer than one reading, and what lies beside them."""
    folder = tmp_path / "scratch" / "adapter"
    (folder / "history").mkdir(parents=True)
    (folder / "adapter_model.safetensors").write_bytes(Random(1).randbytes(5_000_001))
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    (folder / "tokenizer.json").write_text("{}")
    return folder


async def handed_over(
    store: ObjectStore, adapter: Path, compression: Compression
) -> tuple[SpecRecord, AdapterManifest]:
    record = await trained_job(store, to_claim("claim"), files={})
    await store.delete(store_keys.adapter_manifest(record.job_id))
    manifest = await store_adapter(
        store,
        record,
        adapter,
        attempt=1,
        metrics={"loss_last": 1.0},
        trained_tokens=9,
        dataset_digest=f"sha256:{'d' * 64}",
        at=datetime(2026, 1, 2, tzinfo=UTC),
        compression=compression,
    )
    return record, manifest


@pytest.mark.parametrize("compression", COMPRESSIONS)
async def test_the_publisher_would_find_the_same(store: ObjectStore, adapter: Path, compression: Compression) -> None:
    _, manifest = await handed_over(store, adapter, compression)
    files = layer_files(manifest)
    key = layer_key(compression, [(file.entry.path, file.digest) for file in files])
    told = LayerRecord.model_validate_json(await store.get(key) or b"")
    layer = LayerSource("adapter", "unused", store, files, compression, None)
    await layer.measure()
    sent = b"".join([piece async for piece in layer.read(0)])
    assert layer.record == told
    assert (told.size, told.digest) == (len(sent), f"sha256:{hashlib.sha256(sent).hexdigest()}")


async def test_the_manifest_names_every_file_with_its_digest(store: ObjectStore, adapter: Path) -> None:
    record, manifest = await handed_over(store, adapter, "gzip")
    assert [file.name for file in manifest.files] == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "tokenizer.json",
    ]
    for file in manifest.files:
        data = (adapter / file.name).read_bytes()
        assert (file.size, file.digest) == (len(data), f"sha256:{hashlib.sha256(data).hexdigest()}")
        assert await store.get(f"{store_keys.adapter(record.job_id)}{file.name}") == data


async def test_a_layer_known_beforehand_is_still_checked_against_the_manifest(
    store: ObjectStore, adapter: Path
) -> None:
    record, manifest = await handed_over(store, adapter, "gzip")
    files = layer_files(manifest)
    key = layer_key("gzip", [(file.entry.path, file.digest) for file in files])
    known = LayerRecord.model_validate_json(await store.get(key) or b"")
    weights = bytearray((adapter / "adapter_model.safetensors").read_bytes())
    weights[4_000_000] ^= 1
    await store.put(f"{store_keys.adapter(record.job_id)}adapter_model.safetensors", bytes(weights))
    with pytest.raises(WorldError, match="is not what the adapter's manifest says"):
        [piece async for piece in LayerSource("adapter", key, store, files, "gzip", known).read(0)]


async def test_a_link_in_a_file_s_place_is_not_followed_and_leaves_no_manifest(
    store: ObjectStore, adapter: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("a key")
    (adapter / "adapter_model.safetensors").unlink()
    (adapter / "adapter_model.safetensors").symlink_to(tmp_path / "secret")
    with pytest.raises(WorldError, match="no plain file"):
        await handed_over(store, adapter, "gzip")
    assert all(key.endswith("/spec.json") for key in await store.list("jobs"))
    assert await store.list("images") == []


async def test_an_adapter_without_weights_is_stored_as_it_is(store: ObjectStore, adapter: Path) -> None:
    (adapter / "adapter_model.safetensors").unlink()
    _, manifest = await handed_over(store, adapter, "gzip")
    assert [file.name for file in manifest.files] == ["adapter_config.json", "tokenizer.json"]


def test_a_file_that_is_shorter_than_it_was_is_no_layer(adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = adapter / "adapter_config.json"
    was = SimpleNamespace(st_size=path.stat().st_size + 1)
    monkeypatch.setattr(Path, "stat", lambda *_, **__: was)
    with pytest.raises(WorldError, match="changed while it was read"):
        describe({"adapter_config.json": path}, "gzip")


def test_a_record_of_another_zstd_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its next release may pack the same files into other bytes, which the record would belie."""
    files = [("data/adapter_config.json", "sha256:1")]
    before = {compression: layer_key(compression, files) for compression in COMPRESSIONS}
    monkeypatch.setattr("zstandard.ZSTD_VERSION", (9, 9, 9))
    after = {compression: layer_key(compression, files) for compression in COMPRESSIONS}
    assert [compression for compression in COMPRESSIONS if before[compression] != after[compression]] == ["zstd"]
