"""What is signed lies beside the image, once, however often it is pushed and whoever asks."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from services.publisher.signatures import BUNDLE
from tests.component.services.common.registry.fake_registry import FakeRegistry, running
from tests.component.services.publisher.harness import Bench, make_bench
from tests.component.services.publisher.jobs import (
    KEY,
    forget_the_end,
    to_claim,
    to_image,
    trained_job,
    write_key,
    write_secret,
)


@pytest.fixture
async def registry() -> AsyncIterator[FakeRegistry]:
    async with running(FakeRegistry()) as made:
        yield made


def signing_bench(home: Path, registry: FakeRegistry) -> Bench:
    bench = make_bench(home, insecure_registries=registry.address, signing_key_file=write_key(home))
    write_secret(bench.settings.secrets_dir, registry.address)
    return bench


def bundles(registry: FakeRegistry) -> dict[str, dict[str, object]]:
    """The signed statements by predicate type, their signatures checked as DSSE has it."""
    manifests = [json.loads(raw) for raw in {*registry.manifests.values()}]
    found = {}
    for manifest in manifests:
        if manifest.get("artifactType") == BUNDLE:
            envelope = json.loads(registry.blobs[manifest["layers"][0]["digest"]])["dsseEnvelope"]
            payload, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"]
            signed = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
            signature = base64.b64decode(envelope["signatures"][0]["sig"])
            KEY.public_key().verify(signature, signed, ec.ECDSA(hashes.SHA256()))
            statement = json.loads(payload)
            assert statement["predicateType"] not in found
            found[statement["predicateType"]] = statement
    return found


async def test_image_and_provenance_are_signed_once(tmp_path: Path, registry: FakeRegistry) -> None:
    bench = signing_bench(tmp_path / "home", registry)
    record = await trained_job(bench.store, to_image(f"{registry.address}/team/a:v1"))
    await bench.publisher().publish(record.job_id, 1)
    digest = registry.tag("team/a", "v1")
    signed = bundles(registry)
    assert set(signed) == {"https://sigstore.dev/cosign/sign/v1", "https://slsa.dev/provenance/v1"}
    for statement in signed.values():
        assert f"sha256:{statement['subject'][0]['digest']['sha256']}" == digest  # type: ignore[index]

    before = set(registry.manifests), set(registry.blobs)
    await forget_the_end(bench.store, record.job_id)
    await bench.publisher().publish(record.job_id, 1)
    assert (set(registry.manifests), set(registry.blobs)) == before


async def test_a_rerun_that_comes_out_the_same_has_the_same_signature(tmp_path: Path, registry: FakeRegistry) -> None:
    bench = signing_bench(tmp_path / "home", registry)
    for rerun in (None, "again"):
        record = await trained_job(bench.store, to_image(f"{registry.address}/team/a:v1"), rerun=rerun)
        await bench.publisher().publish(record.job_id, 1)
    listed = json.loads(registry.manifests[f"team/a:{str(registry.tag('team/a', 'v1')).replace(':', '-')}"])
    predicates = [
        entry["annotations"]["dev.sigstore.bundle.predicateType"]
        for entry in listed["manifests"]
        if entry["artifactType"] == BUNDLE
    ]
    assert sorted(predicates) == ["https://sigstore.dev/cosign/sign/v1", *["https://slsa.dev/provenance/v1"] * 2]


async def test_without_a_key_nothing_is_signed_and_the_image_is_the_same(
    tmp_path: Path, registry: FakeRegistry
) -> None:
    plain = make_bench(tmp_path / "plain", insecure_registries=registry.address)
    write_secret(plain.settings.secrets_dir, registry.address)
    for bench, name in ((plain, "plain"), (signing_bench(tmp_path / "signing", registry), "signed")):
        record = await trained_job(bench.store, to_image(f"{registry.address}/team/{name}:v1"))
        await bench.publisher().publish(record.job_id, 1)
        assert bool(bundles(registry)) is (name == "signed")
    assert registry.tag("team/plain", "v1") == registry.tag("team/signed", "v1")


async def test_a_volume_s_layout_holds_the_signatures_too(tmp_path: Path, registry: FakeRegistry) -> None:
    bench = signing_bench(tmp_path / "home", registry)
    record = await trained_job(bench.store, to_claim("claim"))
    await bench.publisher().publish(record.job_id, 1)
    index = json.loads((bench.settings.volumes_dir / "claim" / record.job_id / "index.json").read_text())
    assert [entry.get("artifactType") for entry in index["manifests"]].count(BUNDLE) == 2


@pytest.mark.parametrize("api", [True, False])
async def test_the_fall_back_tag_is_for_registries_without_the_referrers_api(tmp_path: Path, api: bool) -> None:
    async with running(FakeRegistry(referrers_api=api)) as registry:
        bench = signing_bench(tmp_path / "home", registry)
        record = await trained_job(bench.store, to_image(f"{registry.address}/team/a:v1"))
        await bench.publisher().publish(record.job_id, 1)
        assert len(bundles(registry)) == 2
        fall_back = f"team/a:{str(registry.tag('team/a', 'v1')).replace(':', '-')}"
        assert (fall_back in registry.manifests) is not api
