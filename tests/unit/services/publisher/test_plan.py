"""Where images go."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.events.training import AdapterFile
from schemas.failures import Reason
from schemas.records import AdapterManifest
from schemas.workspace import InputSpec, ModelRef, OutputSpec, ResolvedSpec, VolumeSource
from services.common.errors import UserError
from services.publisher.plan import RegistryTarget, VolumeTarget, layer_files, target

JOB = "default.docs.0123456789ab"
VOLUMES = Path("/volumes")


def spec(output: OutputSpec) -> ResolvedSpec:
    return ResolvedSpec(
        namespace="default",
        name="docs",
        preset="tiny",
        model=ModelRef(repository="lorabus/tiny", revision="main"),
        method="lora",
        input=InputSpec(kind="urls", urls=("https://example.com/a.jsonl",)),
        output=output,
        output_dir="/mnt/results",
    )


def image(reference: str) -> ResolvedSpec:
    return spec(OutputSpec(kind="image", image=reference, push_secret="s"))


def volume(**source: str) -> ResolvedSpec:
    return spec(OutputSpec(kind="volume", volume=VolumeSource(**source)))


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("adapter", "docker.io/library/adapter:latest"),
        ("team/adapter", "docker.io/team/adapter:latest"),
        ("index.docker.io/adapter:v1", "docker.io/library/adapter:v1"),
        ("Registry.example:5000/a/b:v1", "registry.example:5000/a/b:v1"),
    ],
)
def test_short_names_are_docker_s(given: str, normal: str) -> None:
    where = target(image(given), JOB, VOLUMES, ())
    assert isinstance(where, RegistryTarget)
    assert str(where.reference) == normal


def test_the_tag_that_was_asked_for_moves_last() -> None:
    where = target(image("registry.example/a:v1"), JOB, VOLUMES, ())
    assert isinstance(where, RegistryTarget)
    assert where.tags == ("docs-0123456789ab", "v1")


@pytest.mark.parametrize("tag", ["", ":v1"])
def test_a_digest_that_nobody_can_keep_leaves_the_job_s_own_tag(tag: str) -> None:
    """KAITO accepts such an output, and drops a tag beside a digest; the training is not lost for it."""
    where = target(image(f"registry.example/a{tag}@sha256:{'0' * 64}"), JOB, VOLUMES, ())
    assert isinstance(where, RegistryTarget)
    assert where.tags == ("docs-0123456789ab",)


def test_a_claim_is_a_folder_with_one_folder_a_job() -> None:
    assert target(volume(claim_name="claim"), JOB, VOLUMES, ()) == VolumeTarget(
        VOLUMES / "claim", VOLUMES / "claim" / JOB
    )


@pytest.mark.parametrize(
    "wrong",
    [
        image("registry.example/A"),
        volume(claim_name="../secrets"),
        volume(claim_name=".."),
        volume(host_path="/etc"),
        volume(host_path="/srv/../etc"),
        volume(host_path="srv"),
        volume(),
    ],
)
def test_what_cannot_work_is_the_user_s_fault_and_names_the_field(wrong: ResolvedSpec) -> None:
    with pytest.raises(UserError, match=r"^tuning\.output\.") as caught:
        target(wrong, JOB, VOLUMES, (Path("/srv"),))
    assert caught.value.reason is Reason.OUTPUT_REFUSED


def test_an_adapter_without_weights_is_said() -> None:
    manifest = AdapterManifest(
        job_id=JOB,
        attempt=1,
        files=[AdapterFile(name="adapter_config.json", digest="sha256:0", size=1)],
        trained_tokens=1,
        base_model="b",
        base_revision="r",
        dataset_digest="d",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    with pytest.raises(UserError, match=r"has no adapter_model\.safetensors"):
        layer_files(manifest)
