"""Proves on a real registry that a trained adapter becomes an image that other tools take, once and whole.

The publisher's use case runs on a file store; what came out is read with crane and oras, whose code is not ours.
"""

import asyncio
import json
import subprocess
import tarfile
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.native.go_tools import tool
from schemas.records import SpecRecord
from tests.component.services.publisher.harness import Bench, make_bench
from tests.component.services.publisher.jobs import adapter_files, to_image, trained_job, write_secret

Run = Callable[..., str]


@pytest.fixture
def crane() -> Run:
    return lambda *arguments: _run(tool("crane", print), *arguments)


@pytest.fixture
def oras() -> Run:
    return lambda *arguments: _run(tool("oras", print), *arguments)


def _run(binary: Path, *arguments: str) -> str:
    done = subprocess.run([binary, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def bench(tmp_path: Path, registry_address: str) -> Bench:
    made = make_bench(tmp_path, insecure_registries=registry_address, publish_retry_seconds=5)
    write_secret(made.settings.secrets_dir, registry_address)
    return made


@pytest.fixture
def reference(registry_address: str) -> str:
    return f"{registry_address}/tests/{uuid.uuid4().hex[:8]}:v1"


async def _published(bench: Bench, reference: str, **more: object) -> SpecRecord:
    record = await trained_job(bench.store, to_image(reference), **more)  # type: ignore[arg-type]
    await bench.publisher().publish(record.job_id, 1)
    return record


async def test_an_adapter_becomes_an_image_that_crane_and_oras_take(
    bench: Bench, reference: str, crane: Run, oras: Run, tmp_path: Path
) -> None:
    record = await _published(bench, reference)

    assert bench.types()[0] == "image.pushing"
    assert bench.types()[-2:] == ["image.published", "job.succeeded"]
    image = bench.last()["image"]
    assert isinstance(image, dict)
    assert image["reference"] == reference
    assert crane("digest", "--insecure", reference).strip() == image["digest"]
    manifest = json.loads(crane("manifest", "--insecure", reference))
    assert manifest["annotations"]["sh.kaito.model.name"] == "tiny"
    config = json.loads(crane("config", "--insecure", reference))
    assert (config["architecture"], config["os"], config["rootfs"]["type"]) == ("amd64", "linux", "layers")
    assert len(config["rootfs"]["diff_ids"]) == len(manifest["layers"])
    crane("validate", "--insecure", "--remote", reference)
    oras("pull", "--plain-http", "-o", str(tmp_path / "oras"), reference)
    crane("export", "--insecure", reference, str(tmp_path / "export.tar"))
    with tarfile.open(tmp_path / "export.tar") as tar:
        for name, data in adapter_files().items():
            file = tar.extractfile(f"data/{name}")
            assert file is not None
            assert file.read() == data
    tags = crane("ls", "--insecure", reference.rpartition(":")[0]).split()
    assert set(tags) == {"v1", record.job_id.removeprefix("default.").replace(".", "-")}


async def test_the_same_adapter_has_the_same_digest_whatever_job_and_repository_it_comes_from(
    tmp_path: Path, registry_address: str, crane: Run
) -> None:
    digests = set()
    for number in range(2):
        bench = make_bench(tmp_path / str(number), insecure_registries=registry_address)
        write_secret(bench.settings.secrets_dir, registry_address)
        reference = f"{registry_address}/tests/{uuid.uuid4().hex[:8]}:v1"
        await _published(bench, reference, rerun=str(number))
        digests.add(crane("digest", "--insecure", reference))
    assert len(digests) == 1


async def test_a_second_try_ends_with_the_same_event(bench: Bench, reference: str) -> None:
    record = await _published(bench, reference)
    first = bench.sent[-1]

    await bench.publisher().publish(record.job_id, 1)

    assert bench.sent[-1] == first


async def test_a_layer_that_a_neighbour_has_is_mounted(bench: Bench, registry_address: str, crane: Run) -> None:
    for name in ("first", "second"):
        await _published(bench, f"{registry_address}/tests/mount-{uuid.uuid4().hex[:8]}/{name}:v1", name=name)
    image = bench.last()["image"]
    assert isinstance(image, dict)
    crane("validate", "--insecure", "--remote", str(image["reference"]))


@pytest.mark.parametrize(("compression", "media_type"), [("none", "tar"), ("zstd", "tar+zstd")])
async def test_every_framing_is_taken(
    tmp_path: Path, registry_address: str, reference: str, oras: Run, compression: str, media_type: str
) -> None:
    """oras reads it; crane 0.22 takes every layer for gzip, which is why gzip is the default."""
    bench = make_bench(tmp_path, insecure_registries=registry_address, layer_compression=compression)
    write_secret(bench.settings.secrets_dir, registry_address)
    await _published(bench, reference)
    manifest = json.loads(oras("manifest", "fetch", "--plain-http", reference))
    assert manifest["layers"][0]["mediaType"].endswith(f".{media_type}")
    layer = manifest["layers"][0]["digest"]
    oras("blob", "fetch", "--plain-http", "-o", str(tmp_path / "layer"), f"{reference.rpartition(':')[0]}@{layer}")
    listed = _run(Path("/bin/tar"), "--list", "--file", str(tmp_path / "layer"))
    assert listed.split() == ["data/", "data/adapter_config.json", "data/adapter_model.safetensors"]


async def test_two_publishers_at_the_same_job_do_no_harm(bench: Bench, reference: str, crane: Run) -> None:
    record = await trained_job(bench.store, to_image(reference))
    await asyncio.gather(*(bench.publisher().publish(record.job_id, 1) for _ in range(2)))
    assert bench.types().count("job.succeeded") == 2
    assert len({event.id for event in bench.sent if event.type.endswith("job.succeeded.v1")}) == 1
    crane("validate", "--insecure", "--remote", reference)
