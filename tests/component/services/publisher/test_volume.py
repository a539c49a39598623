"""A volume gets an image layout and the plain files: whole or not at all, inside its root, one folder a job."""

import errno
import hashlib
import json
import os
from pathlib import Path

import pytest
import stamina

from lorabus.faults import BadInput
from lorabus.pulling import pull
from lorabus.settings import CallerSettings
from schemas import store_keys
from schemas.records import AdapterManifest, CancelRecord, as_json
from schemas.workspace import OutputSpec, VolumeSource
from services.common.journal import now
from tests.component.services.publisher.harness import Bench, make_bench
from tests.component.services.publisher.jobs import adapter_files, forget_the_end, to_claim, trained_job


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return make_bench(tmp_path, publish_retry_seconds=0)


def caller(bench: Bench) -> CallerSettings:
    """A caller whose ingest is not there: the job's own result must do."""
    return CallerSettings(home=bench.settings.home, http_addr="127.0.0.1:9")


def reference_of(bench: Bench) -> str:
    image = bench.last()["image"]
    assert isinstance(image, dict)
    return str(image["reference"])


async def test_the_folder_is_an_image_layout_and_an_adapter(bench: Bench) -> None:
    record = await trained_job(bench.store, to_claim("claim"))

    await bench.publisher().publish(record.job_id, 1)

    folder = bench.settings.volumes_dir / "claim" / record.job_id
    assert reference_of(bench) == f"oci:{folder}:latest"
    assert json.loads((folder / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((folder / "index.json").read_text())
    assert index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"] == "latest"
    for blob in (folder / "blobs" / "sha256").iterdir():
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
    for name, data in adapter_files().items():
        assert (folder / name).read_bytes() == data
    assert sorted(path.name for path in folder.parent.iterdir()) == [record.job_id]


async def test_pull_takes_it_by_job_by_reference_and_by_folder(bench: Bench, tmp_path: Path) -> None:
    record = await trained_job(bench.store, to_claim("claim"))
    await bench.publisher().publish(record.job_id, 1)
    folder = bench.settings.volumes_dir / "claim" / record.job_id
    for number, target in enumerate([record.job_id, reference_of(bench), str(folder), f"{folder}:latest"]):
        out = tmp_path / f"out{number}"
        pulled = await pull(target, out, caller(bench))
        assert {file.name: file.read_bytes() for file in out.iterdir()} == adapter_files()
        assert {file.path.name: file.size for file in pulled.files} == {
            name: len(data) for name, data in adapter_files().items()
        }


async def test_a_damaged_layout_is_not_pulled(bench: Bench, tmp_path: Path) -> None:
    record = await trained_job(bench.store, to_claim("claim"))
    await bench.publisher().publish(record.job_id, 1)
    blobs = bench.settings.volumes_dir / "claim" / record.job_id / "blobs" / "sha256"
    largest = max(blobs.iterdir(), key=lambda path: path.stat().st_size)
    raw = bytearray(largest.read_bytes())
    raw[len(raw) // 2] ^= 1
    largest.write_bytes(raw)
    with pytest.raises(BadInput, match="damaged"):
        await pull(record.job_id, tmp_path / "out", caller(bench))
    assert list((tmp_path / "out").iterdir()) == []


async def test_a_job_without_an_image_says_its_state(bench: Bench, tmp_path: Path) -> None:
    record = await trained_job(bench.store, to_claim("claim"))
    await bench.store.create(store_keys.cancel(record.job_id), as_json(CancelRecord(requested_at=now())))
    await bench.publisher().publish(record.job_id, 1)
    with pytest.raises(BadInput, match="cancelled"):
        await pull(record.job_id, tmp_path / "out", caller(bench))


async def test_publishing_again_leaves_a_good_folder_alone_and_mends_a_damaged_one(bench: Bench) -> None:
    record = await trained_job(bench.store, to_claim("claim"))
    folder = bench.settings.volumes_dir / "claim" / record.job_id
    await bench.publisher().publish(record.job_id, 1)
    born = (folder / "index.json").stat().st_ino
    await forget_the_end(bench.store, record.job_id)
    await bench.publisher().publish(record.job_id, 1)
    assert (folder / "index.json").stat().st_ino == born

    (folder / "adapter_model.safetensors").write_bytes(b"cut")
    await forget_the_end(bench.store, record.job_id)
    await bench.publisher().publish(record.job_id, 1)
    assert (folder / "adapter_model.safetensors").read_bytes() == adapter_files()["adapter_model.safetensors"]
    assert sorted(path.name for path in folder.parent.iterdir()) == [record.job_id]


async def test_a_cancel_during_the_work_leaves_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wish comes while blobs are written: the last look, before the rename, finds it."""
    record = await trained_job(bench.store, to_claim("claim"))
    asked = bench.store.exists
    answers = iter([False, False, True])

    async def exists(key: str) -> bool:
        return next(answers) if key == store_keys.cancel(record.job_id) else await asked(key)

    monkeypatch.setattr(bench.store, "exists", exists)
    await bench.publisher().publish(record.job_id, 1)
    assert bench.types()[-1] == "job.cancelled"
    assert list((bench.settings.volumes_dir / "claim").iterdir()) == []


async def test_weights_that_are_not_what_their_manifest_says_are_not_published(bench: Bench) -> None:
    record = await trained_job(bench.store, to_claim("claim"))
    key = f"{store_keys.adapter(record.job_id)}adapter_model.safetensors"
    await bench.store.put(key, adapter_files(seed=8)["adapter_model.safetensors"])
    await bench.publisher().publish(record.job_id, 1)
    assert bench.last()["reason"] == "Internal"
    assert "adapter_model.safetensors" in str(bench.last()["message"])
    assert list((bench.settings.volumes_dir / "claim").iterdir()) == []


@pytest.mark.parametrize("path", ["/etc/x", "{root}/../outside", "{root}/link/inside", "relative"])
async def test_host_paths_stay_inside_their_roots(tmp_path: Path, path: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "outside").mkdir()
    (root / "link").symlink_to(tmp_path / "outside")
    bench = make_bench(tmp_path / "home", host_paths=str(root))
    output = OutputSpec(kind="volume", volume=VolumeSource(host_path=path.format(root=root)))
    record = await trained_job(bench.store, output)

    await bench.publisher().publish(record.job_id, 1)

    assert bench.last()["reason"] == "OutputRefused"
    assert list((tmp_path / "outside").iterdir()) == []


async def test_a_host_path_inside_a_root_is_used(tmp_path: Path) -> None:
    bench = make_bench(tmp_path / "home", host_paths=str(tmp_path / "root"))
    output = OutputSpec(kind="volume", volume=VolumeSource(host_path=str(tmp_path / "root" / "team")))
    record = await trained_job(bench.store, output)
    await bench.publisher().publish(record.job_id, 1)
    assert (tmp_path / "root" / "team" / record.job_id / "adapter_config.json").is_file()


async def test_a_folder_of_somebody_else_is_not_replaced(bench: Bench) -> None:
    record = await trained_job(bench.store, to_claim("claim"))
    theirs = bench.settings.volumes_dir / "claim" / record.job_id / "thesis.txt"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("years of work")
    await bench.publisher().publish(record.job_id, 1)
    assert bench.last()["reason"] == "OutputRefused"
    assert theirs.read_text() == "years of work"


async def test_an_older_attempt_leaves_the_job_to_the_newer(bench: Bench) -> None:
    record = await trained_job(bench.store, to_claim("claim"), attempt=2)
    assert await bench.publisher().publish(record.job_id, 1) is None
    assert bench.sent == []


async def test_a_job_publishes_what_another_has_trained(bench: Bench) -> None:
    """The manifest names the other one's files; nothing is copied, and the image is the same."""
    trained = await trained_job(bench.store, to_claim("claim"), attempt=2)
    await bench.publisher().publish(trained.job_id, 2)
    first = bench.last()["image"]
    raw = await bench.store.get(store_keys.adapter_manifest(trained.job_id))
    manifest = AdapterManifest.model_validate_json(raw or b"")
    heir = trained.model_copy(update={"job_id": "default.docs.fedcba987654"})
    inherited = manifest.model_copy(update={"job_id": heir.job_id, "attempt": 1, "origin": manifest.trained_by})
    await bench.store.put(store_keys.adapter_manifest(heir.job_id), as_json(inherited))
    await bench.store.create(store_keys.spec(heir.job_id), as_json(heir))

    await bench.publisher().publish(heir.job_id, 1)

    image = bench.last()["image"]
    assert isinstance(image, dict)
    assert isinstance(first, dict)
    assert image["digest"] == first["digest"]
    blobs = (bench.settings.volumes_dir / "claim" / heir.job_id / "blobs" / "sha256").iterdir()
    statements = [json.loads(path.read_bytes()) for path in blobs if b"slsa.dev/provenance/v1" in path.read_bytes()]
    runs = [one["predicate"]["runDetails"]["metadata"] for one in statements if "predicate" in one]
    assert [run["invocationId"] for run in runs] == [f"{trained.job_id}/attempts/2"]


def failing_fsync(monkeypatch: pytest.MonkeyPatch, code: int, at: int | None = None) -> list[int]:
    """Let writes fail, all of them or the one in place `at`; gives the list in which they are counted."""
    real, calls = os.fsync, list[int]()

    def fsync(descriptor: int) -> None:
        calls.append(descriptor)
        if at is None or len(calls) == at + 1:
            raise OSError(code, os.strerror(code))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return calls


async def test_one_fault_at_any_write_is_mended_by_the_next_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = writes = 0
    with stamina.set_testing(True, attempts=2, cap=True):
        while place <= writes:
            bench = make_bench(tmp_path / str(place), publish_retry_seconds=5)
            record = await trained_job(bench.store, to_claim("claim"))
            calls = failing_fsync(monkeypatch, errno.ENOSPC, at=place)
            await bench.publisher().publish(record.job_id, 1)
            monkeypatch.undo()
            writes, place = max(writes, len(calls) - place - 1), place + 1
            folder = bench.settings.volumes_dir / "claim" / record.job_id
            assert bench.types()[-1] == "job.succeeded"
            assert {name: (folder / name).read_bytes() for name in adapter_files()} == adapter_files()
            assert [path.name for path in folder.parent.iterdir()] == [record.job_id]
    assert writes > len(adapter_files())


@pytest.mark.parametrize(
    ("code", "reason", "retryable"),
    [
        (errno.ENOSPC, "DiskFull", True),
        (errno.EDQUOT, "DiskFull", True),
        (errno.EIO, "DeviceError", True),
        (errno.EROFS, "OutputRefused", False),
        (errno.EACCES, "OutputRefused", False),
    ],
)
async def test_a_volume_that_cannot_be_written_is_told_and_keeps_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, code: int, reason: str, retryable: bool
) -> None:
    record = await trained_job(bench.store, to_claim("claim"))
    failing_fsync(monkeypatch, code)
    await bench.publisher().publish(record.job_id, 1)
    assert (bench.last()["reason"], bench.last()["retryable"]) == (reason, retryable)
    assert str(bench.settings.volumes_dir / "claim" / record.job_id) in str(bench.last()["message"])
    assert list((bench.settings.volumes_dir / "claim").iterdir()) == []
