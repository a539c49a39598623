"""Proves that the real cosign takes our signatures, with a key that it made itself, and refuses another key's."""

import json
import os
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.native.go_tools import tool
from tests.component.services.publisher.harness import Bench, make_bench
from tests.component.services.publisher.jobs import to_claim, to_image, trained_job, write_secret

PASSWORD = "a-password-nobody-may-see"
OFFLINE = ("--insecure-ignore-tlog", "--allow-http-registry")
Cosign = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def cosign(tmp_path_factory: pytest.TempPathFactory) -> Cosign:
    """Run in a folder of its own, where its keys lie; it asks nobody for a password."""
    folder = tmp_path_factory.mktemp("cosign")
    environ = {**os.environ, "COSIGN_PASSWORD": PASSWORD, "HOME": str(folder)}

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [str(tool("cosign", print)), *arguments]
        return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False)

    for prefix in ("ours", "theirs"):
        made = run("generate-key-pair", f"--output-key-prefix={prefix}")
        assert made.returncode == 0, made.stderr
    (folder / "password").write_text(f"{PASSWORD}\n")
    run.folder = folder  # type: ignore[attr-defined]
    return run


@pytest.fixture
def bench(tmp_path: Path, registry_address: str, cosign: Cosign) -> Bench:
    folder: Path = cosign.folder  # type: ignore[attr-defined]
    made = make_bench(
        tmp_path,
        insecure_registries=registry_address,
        signing_key_file=folder / "ours.key",
        signing_key_password_file=folder / "password",
    )
    write_secret(made.settings.secrets_dir, registry_address)
    return made


async def test_cosign_verifies_the_image_and_its_provenance(
    bench: Bench, registry_address: str, cosign: Cosign
) -> None:
    reference = f"{registry_address}/signed/{uuid.uuid4().hex[:8]}:v1"
    record = await trained_job(bench.store, to_image(reference))
    await bench.publisher().publish(record.job_id, 1)
    image = bench.last()["image"]
    assert isinstance(image, dict)

    verified = cosign("verify", *OFFLINE, "--key=ours.pub", reference)
    assert verified.returncode == 0, verified.stderr
    digests = {entry["critical"]["image"]["docker-manifest-digest"] for entry in json.loads(verified.stdout)}
    assert digests == {image["digest"]}

    attested = cosign("verify-attestation", *OFFLINE, "--key=ours.pub", "--type=slsaprovenance1", reference)
    assert attested.returncode == 0, attested.stderr

    for command in (("verify",), ("verify-attestation", "--type=slsaprovenance1")):
        refused = cosign(*command, *OFFLINE, "--key=theirs.pub", reference)
        assert refused.returncode != 0
        assert "could not verify envelope" in refused.stderr


async def test_cosign_finds_no_signature_where_no_key_is_set(
    tmp_path: Path, registry_address: str, cosign: Cosign
) -> None:
    bench = make_bench(tmp_path, insecure_registries=registry_address)
    write_secret(bench.settings.secrets_dir, registry_address)
    reference = f"{registry_address}/unsigned/{uuid.uuid4().hex[:8]}:v1"
    record = await trained_job(bench.store, to_image(reference))
    await bench.publisher().publish(record.job_id, 1)
    refused = cosign("verify", *OFFLINE, "--key=ours.pub", reference)
    assert refused.returncode != 0
    assert "no signatures found" in refused.stderr


async def test_cosign_verifies_what_lies_in_a_volume(bench: Bench, cosign: Cosign) -> None:
    record = await trained_job(bench.store, to_claim("claim"))
    await bench.publisher().publish(record.job_id, 1)
    folder = bench.settings.volumes_dir / "claim" / record.job_id
    for command in (("verify",), ("verify-attestation", "--type=slsaprovenance1")):
        verified = cosign(*command, "--insecure-ignore-tlog", "--key=ours.pub", "--local-image", str(folder))
        assert verified.returncode == 0, verified.stderr
