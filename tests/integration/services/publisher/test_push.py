"""Proves on a real registry that a trained adapter becomes an image that other tools take, once and whole.

The publisher's use case runs on a file store; what came out is read with crane and oras, whose code is not ours.
"""

import asyncio
import json
import shutil
import subprocess
import tarfile
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.native.go_tools import tool
from lorabus.pulling import pull
from lorabus.settings import CallerSettings
from schemas.records import SpecRecord
from tests.component.services.publisher.harness import Bench, make_bench
from tests.component.services.publisher.jobs import (
    adapter_files,
    forget_the_end,
    to_claim,
    to_image,
    trained_job,
    write_secret,
)

Run = Callable[..., str]


@pytest.fixture
def crane() -> Run:
    return lambda *arguments: _run(tool("crane", print), *arguments)


@pytest.fixture
def skopeo() -> Run:
    """Debian's; nothing here can build it."""
    found = shutil.which("skopeo")
    assert found, "this test needs skopeo: apt-get install skopeo"
    return lambda *arguments: _run(Path(found), *arguments)


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
    assert {path.name: path.read_bytes() for path in (tmp_path / "oras" / "data").iterdir()} == adapter_files()
    assert (tmp_path / "oras" / "info" / "README.md").is_file()
    crane("export", "--insecure", reference, str(tmp_path / "export.tar"))
    with tarfile.open(tmp_path / "export.tar") as tar:
        for name, data in adapter_files().items():
            file = tar.extractfile(f"data/{name}")
            assert file is not None
            assert file.read() == data
    tags = crane("ls", "--insecure", reference.rpartition(":")[0]).split()
    immutable = record.job_id.removeprefix("default.").replace(".", "-")
    assert set(tags) == {"v1", immutable, str(image["digest"]).replace(":", "-")}


async def test_an_output_with_a_digest_is_pushed_under_the_job_s_own_tag(
    bench: Bench, reference: str, crane: Run
) -> None:
    place = reference.rpartition(":")[0]
    record = await _published(bench, f"{place}@sha256:{'0' * 64}")
    image = bench.last()["image"]
    assert isinstance(image, dict)
    assert image["reference"] == f"{place}:{record.job_id.removeprefix('default.').replace('.', '-')}"
    assert crane("digest", "--insecure", str(image["reference"])).strip() == image["digest"]


async def test_provenance_and_evaluation_lie_beside_the_image(
    bench: Bench, reference: str, oras: Run, tmp_path: Path
) -> None:
    """distribution has no referrers API, so oras finds them by the fall-back tag; publishing again adds none."""
    record = await _published(bench, reference)
    await forget_the_end(bench.store, record.job_id)
    await bench.publisher().publish(record.job_id, 1)

    found = json.loads(oras("discover", "--plain-http", "--format", "json", reference))["referrers"]
    by_type = {entry["artifactType"]: entry for entry in found}
    assert len(found) == len(by_type) == 2
    provenance = by_type["application/vnd.in-toto+json"]
    assert provenance["annotations"]["dev.lorabus.job.id"] == record.job_id
    place = reference.rpartition(":")[0]
    for entry in found:
        oras("pull", "--plain-http", "-o", str(tmp_path), f"{place}@{entry['digest']}")
    statement = json.loads((tmp_path / "provenance.json").read_text())
    assert json.loads((tmp_path / "evaluation.json").read_text())["metrics"] == {"loss_first": 4.0, "loss_last": 1.0}
    image = bench.last()["image"]
    assert isinstance(image, dict)
    assert f"sha256:{statement['subject'][0]['digest']['sha256']}" == image["digest"]
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    run = statement["predicate"]["runDetails"]["metadata"]
    assert run["invocationId"] == f"{record.job_id}/attempts/1"


async def test_skopeo_copies_and_inspects(bench: Bench, reference: str, tmp_path: Path, skopeo: Run) -> None:
    await _published(bench, reference)
    image = bench.last()["image"]
    assert isinstance(image, dict)
    insecure = ("--tls-verify=false",)
    told = json.loads(skopeo("inspect", *insecure, f"docker://{reference}"))
    assert (told["Digest"], told["Architecture"], told["Os"]) == (image["digest"], "amd64", "linux")
    skopeo("copy", "--src-tls-verify=false", f"docker://{reference}", f"oci:{tmp_path / 'copy'}:v1")
    copied = json.loads((tmp_path / "copy" / "index.json").read_text())
    assert copied["manifests"][0]["digest"] == image["digest"]


async def test_skopeo_reads_what_lies_in_a_volume(bench: Bench, skopeo: Run) -> None:
    record = await trained_job(bench.store, to_claim("claim"))
    await bench.publisher().publish(record.job_id, 1)
    image = bench.last()["image"]
    assert isinstance(image, dict)
    assert json.loads(skopeo("inspect", str(image["reference"])))["Digest"] == image["digest"]


async def test_our_own_pull_takes_it(bench: Bench, reference: str, registry_address: str, tmp_path: Path) -> None:
    record = await _published(bench, reference)
    caller = CallerSettings(home=bench.settings.home, insecure_registries=(registry_address,), http_addr="127.0.0.1:9")
    for number, target in enumerate((reference, record.job_id)):
        pulled = await pull(target, tmp_path / str(number), caller)
        assert {file.path.name: file.path.read_bytes() for file in pulled.files} == adapter_files()


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
    first = [*bench.sent]

    await bench.publisher().publish(record.job_id, 1)

    again = bench.sent[len(first) :]
    assert again[-1] == first[-1]
    assert all(event in first for event in again)


async def test_a_layer_that_a_neighbour_has_is_mounted(bench: Bench, registry_address: str, crane: Run) -> None:
    team = f"{registry_address}/tests/mount-{uuid.uuid4().hex[:8]}"
    await _published(bench, f"{team}/first:v1", name="first")
    assert sum(sent for _, sent in bench.asked) > len(adapter_files()["adapter_model.safetensors"])
    bench.asked.clear()
    await _published(bench, f"{team}/second:v1", name="second")
    assert "PATCH" not in {method for method, _ in bench.asked}
    assert sum(sent for _, sent in bench.asked) < 20_000
    crane("validate", "--insecure", "--remote", f"{team}/second:v1")


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
    oras("pull", "--plain-http", "-o", str(tmp_path / "pulled"), reference)
    whole = [path for path in (tmp_path / "pulled").iterdir() if path.read_bytes() == (tmp_path / "layer").read_bytes()]
    assert [path.name for path in whole] == [f"data.{media_type.replace('+', '.')}"]
    listed = _run(Path("/bin/tar"), "--list", "--file", str(tmp_path / "layer"))
    assert listed.split() == ["data/", "data/adapter_config.json", "data/adapter_model.safetensors"]


async def test_two_publishers_at_the_same_job_do_no_harm(bench: Bench, reference: str, crane: Run) -> None:
    record = await trained_job(bench.store, to_image(reference))
    await asyncio.gather(*(bench.publisher().publish(record.job_id, 1) for _ in range(2)))
    assert bench.types().count("job.succeeded") == 2
    assert len({event.id for event in bench.sent if event.type.endswith("job.succeeded.v1")}) == 1
    crane("validate", "--insecure", "--remote", reference)


async def test_a_model_pack_lies_beside_the_image_and_shares_its_blobs(
    tmp_path: Path, registry_address: str, reference: str, crane: Run, oras: Run
) -> None:
    bench = make_bench(tmp_path, insecure_registries=registry_address, model_pack=True)
    write_secret(bench.settings.secrets_dir, registry_address)
    record = await _published(bench, reference)
    image = json.loads(crane("manifest", "--insecure", reference))
    model = json.loads(oras("manifest", "fetch", "--plain-http", f"{reference}-modelpack"))
    assert model["artifactType"] == "application/vnd.cncf.model.manifest.v1+json"
    assert [layer["digest"] for layer in model["layers"]] == [layer["digest"] for layer in image["layers"]]
    oras("cp", "--from-plain-http", f"{reference}-modelpack", "--to-oci-layout", f"{tmp_path / 'copy'}:v1")

    tags, digest = crane("ls", "--insecure", reference.rpartition(":")[0]), crane("digest", "--insecure", reference)
    await forget_the_end(bench.store, record.job_id)
    await bench.publisher().publish(record.job_id, 1)
    assert crane("ls", "--insecure", reference.rpartition(":")[0]) == tags
    assert crane("digest", "--insecure", reference) == digest


async def test_a_volume_has_the_model_pack_too(tmp_path: Path, skopeo: Run) -> None:
    bench = make_bench(tmp_path, model_pack=True)
    record = await trained_job(bench.store, to_claim("claim"))
    await bench.publisher().publish(record.job_id, 1)
    image = bench.last()["image"]
    assert isinstance(image, dict)
    folder = bench.settings.volumes_dir / "claim" / record.job_id
    raw = skopeo("inspect", "--raw", f"oci:{folder}:latest-modelpack")
    assert json.loads(raw)["artifactType"] == "application/vnd.cncf.model.manifest.v1+json"
    assert json.loads(skopeo("inspect", str(image["reference"])))["Digest"] == image["digest"]
    pulled = await pull(f"oci:{folder}", tmp_path / "out", CallerSettings(home=tmp_path))
    assert pulled.digest == image["digest"]
