"""KAITO's own examples, in our words: each passes unchanged."""

from pathlib import Path

import pytest

from schemas.admission import Verdict, admit
from schemas.bundles import Bundle
from schemas.documents import load_documents

FOLDER = Path(__file__).parents[1] / "data" / "kaito"


def judged(name: str) -> Verdict:
    bundle = Bundle()
    bundle.add(load_documents((FOLDER / name).read_bytes(), name=name))
    (workspace,) = bundle.workspaces
    return admit(workspace, config_maps=bundle.config_maps_for(workspace))


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.iterdir()))
def test_valid(name: str) -> None:
    verdict = judged(name)
    assert verdict.problems == ()
    assert verdict.spec is not None


def test_a_template_by_its_name() -> None:
    spec = judged("falcon-7b-template.yaml").spec
    assert spec is not None
    assert (spec.method, spec.config.quantization.load_in_4bit) == ("qlora", True)
    assert spec.config.lora.target_modules == ("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h")


def test_a_private_base_and_one_s_own_config() -> None:
    verdict = judged("falcon-7b-private.yaml")
    assert verdict.spec is not None
    assert (verdict.spec.output_dir, verdict.spec.config.lora.r) == ("/mnt/output", 16)
    assert verdict.spec.config.lora.target_modules == ("query_key_value",)
    assert [warning for warning in verdict.warnings if warning.startswith("DataCollator.mlm")]
    assert [warning for warning in verdict.warnings if "presetOptions.image" in warning]


def test_split_names_for_a_fused_model() -> None:
    verdict = judged("phi-3-configured.yaml")
    assert verdict.spec is not None
    assert verdict.spec.config.lora.target_modules == ("qkv_proj", "o_proj")
    assert [warning for warning in verdict.warnings if "qkv_proj" in warning]


def test_claims() -> None:
    spec = judged("phi-3-volumes.yaml").spec
    assert spec is not None
    assert spec.input.volume is not None
    assert spec.output.volume is not None
    assert (spec.input.volume.claim_name, spec.output.volume.claim_name) == ("claim-input", "claim-output")


def test_the_older_version() -> None:
    spec = judged("falcon-images-v1alpha1.yaml").spec
    assert spec is not None
    assert spec.fixed.instance_type == "Standard_NC24ads_A100_v4"
    assert spec.input.pull_secrets == ("IMAGE_PULL_SECRETS_HERE",)
