"""What an accepted Workspace becomes: nothing left to guess, and the same after JSON."""

from collections.abc import Callable
from typing import Any

import pytest

from schemas.admission import Verdict
from schemas.config import TrainingArguments, TrainingConfig
from schemas.identity import canonical, job_id
from schemas.workspace import ResolvedSpec

Judge = Callable[..., Verdict]

RICH = """
training_config:
  ModelConfig: {torch_dtype: bfloat16, chat_template: "{{ messages }}"}
  QuantizationConfig: {load_in_4bit: true}
  LoraConfig: {r: 16, target_modules: [qkv_proj], rank_pattern: {qkv_proj: 4}}
  TrainingArguments: {learning_rate: 2e-4, max_length: null, dataloader_drop_last: true, lr_scheduler_kwargs: {a: 1.5}}
  DatasetConfig: {train_test_split: 0.9}
"""


@pytest.fixture
def rich(judge: Judge) -> ResolvedSpec:
    spec = judge({"tuning.method": "QLoRA", "metadata.namespace": "team"}, training_config=RICH).spec
    assert spec is not None
    return spec


def test_everything_is_resolved(judge: Judge) -> None:
    verdict = judge(
        {
            "tuning.method": "LoRA",
            "tuning.preset": {"name": "PHI-4"},
            "tuning.input": {"image": "busybox", "imagePullSecrets": ["a", "b", "a"], "name": "rows"},
            "tuning.output": {"image": "Registry.Example.com:5000/x/y@sha256:" + "a" * 64, "imagePushSecret": "push"},
        }
    )
    spec = verdict.spec
    assert spec is not None
    assert (spec.namespace, spec.name, spec.method) == ("default", "tune-phi", "lora")
    assert (spec.preset, spec.model.repository) == ("phi-4", "microsoft/phi-4")
    assert spec.model.revision == "187ef0342fff0eb3333be9f00389385e95ef0b61"
    assert (spec.input.kind, spec.input.image) == ("image", "docker.io/library/busybox:latest")
    assert (spec.input.pull_secrets, spec.input.name) == (("a", "b"), "rows")
    assert spec.output.image == "registry.example.com:5000/x/y@sha256:" + "a" * 64
    assert spec.output.push_secret == "push"
    (warning,) = [text for text in verdict.warnings if text.startswith("tuning.output.image: ")]
    assert "gets the job's own tag only" in warning


def test_urls_keep_their_order_and_their_query(judge: Judge) -> None:
    urls = ["HTTPS://B.example.com:443/x.jsonl?sig=A%2Fb&x=1#row", "http://a.example.com:8080/y"]
    spec = judge({"tuning.input": {"urls": urls}}).spec
    assert spec is not None
    assert spec.input.urls == ("https://b.example.com/x.jsonl?sig=A%2Fb&x=1", "http://a.example.com:8080/y")


def test_a_pin_goes_along_and_makes_another_spec(judge: Judge) -> None:
    pins = ["#sha256=" + "Ab" * 32, "#sha256:" + "0" * 64]
    specs = [judge({"tuning.input": {"urls": [f"https://a.example.com/x{pin}"]}}).spec for pin in pins]
    assert [spec.input.urls for spec in specs if spec] == [
        ("https://a.example.com/x#sha256=" + "ab" * 32,),
        ("https://a.example.com/x#sha256=" + "0" * 64,),
    ]
    assert len({spec.spec_digest for spec in specs if spec}) == 2


def test_it_survives_json_with_what_was_given(rich: ResolvedSpec) -> None:
    back = ResolvedSpec.model_validate_json(rich.model_dump_json())
    assert back == rich
    assert canonical(back) == canonical(rich)
    assert back.config.training.model_fields_set == {
        "learning_rate",
        "max_length",
        "dataloader_drop_last",
        "lr_scheduler_kwargs",
    }
    assert back.config.training.model_fields_set == rich.config.training.model_fields_set
    assert back.config.model.model_fields_set == rich.config.model.model_fields_set == {"torch_dtype", "chat_template"}
    assert back.config.dataset.model_fields_set == {"train_test_split"}
    assert back.config.collator.model_fields_set == set()


def test_nulls_against_a_default_survive_a_writer_that_leaves_nulls_out(rich: ResolvedSpec) -> None:
    back = ResolvedSpec.model_validate(rich.model_dump(mode="json", exclude_none=True))
    assert back.config.training.max_length is None
    assert back == rich


def test_the_wire_s_names(rich: ResolvedSpec) -> None:
    wire = rich.model_dump(mode="json")
    assert {"namespace", "name", "preset", "model", "method", "input", "output", "config", "outputDir"} <= set(wire)
    assert {"kind", "urls", "image", "pullSecrets", "volume"} <= set(wire["input"])
    assert {
        "ModelConfig",
        "QuantizationConfig",
        "LoraConfig",
        "TrainingArguments",
        "DatasetConfig",
        "DataCollator",
    } <= set(wire["config"])
    assert wire["config"]["LoraConfig"]["target_modules"] == ["qkv_proj"]


def test_readers_ignore_what_they_do_not_know(rich: ResolvedSpec) -> None:
    wire: dict[str, Any] = rich.model_dump(mode="json")
    wire["later"] = 1
    wire["input"]["later"] = 1
    assert job_id(ResolvedSpec.model_validate(wire)) == job_id(rich)


def test_the_digest_is_what_the_id_starts_with(rich: ResolvedSpec) -> None:
    assert rich.spec_digest.removeprefix("sha256:").startswith(job_id(rich).rpartition(".")[2])
    assert job_id(rich).startswith("team.tune-phi.")


def test_a_config_made_by_hand_knows_what_was_given() -> None:
    config = TrainingConfig(training=TrainingArguments(learning_rate=1e-3))
    assert config.given == {"TrainingArguments": ("learning_rate",)}
    back = TrainingConfig.model_validate_json(config.model_dump_json())
    assert back.training.model_fields_set == {"learning_rate"}


@pytest.mark.parametrize(
    ("config", "changes"),
    [
        ("{training_config: {ModelConfig: {revision: abc, device_map: cpu}}}", {"tuning.preset": {"name": "me/mine"}}),
        ("{training_config: {ModelConfig: {revision: abc}, TrainingArguments: {max_length: 9999999}}}", {}),
        ("{training_config: {TrainingArguments: {learning_rate: much, sed: 1}}}", {}),
        ("{training_config: [", {}),
    ],
    ids=["own model", "warnings", "problems", "no YAML"],
)
def test_a_configuration_seen_before_is_judged_as_the_first_time(
    judge: Judge, config: str, changes: dict[str, object]
) -> None:
    first, second = (judge(changes, training_config=config) for _ in range(2))
    assert (second.problems, second.warnings, second.spec) == (first.problems, first.warnings, first.spec)
    assert first.problems or first.warnings
    elsewhere = judge({**changes, "metadata.namespace": "team"}, training_config=config)
    assert [problem.path for problem in elsewhere.problems] == [problem.path for problem in first.problems]


def test_a_copy_with_other_values_is_another_spec(rich: ResolvedSpec) -> None:
    assert rich.plain["name"] == "tune-phi"
    assert canonical(rich.model_copy(update={"name": "other"})) != canonical(rich)


def test_a_copied_configuration_with_other_values_says_so(rich: ResolvedSpec) -> None:
    assert "training" not in rich.config.changed
    other = rich.config.model_copy(update={"training": TrainingArguments(learning_rate=0.5)})
    assert other.changed["TrainingArguments"] == {"learning_rate": 0.5}
    assert other.plain["TrainingArguments"]["learning_rate"] == 0.5
