"""Section 4 of KAITO's contract: the fields of training_config.yaml, and those that a service cannot take."""

import json
from collections.abc import Callable

import pytest

from schemas.admission import Verdict
from schemas.admission.policy import DROPPED, IGNORED, INERT, REFUSED, RENAMED
from schemas.admission.sections import known_fields
from schemas.config import SECTION_MODELS
from schemas.field_tables import SECTIONS, library_fields

Judge = Callable[..., Verdict]


@pytest.fixture
def configured(judge: Judge) -> Callable[..., Verdict]:
    """Admits the right Workspace with one section of its ConfigMap; the fields are JSON, which is YAML too."""

    def judge_section(section: str, fields: str, changes: dict[str, object] | None = None) -> Verdict:
        return judge(changes, training_config=f"training_config:\n  {section}: {fields}\n")

    return judge_section


@pytest.mark.parametrize(
    ("section", "field", "value", "words"),
    [
        ("ModelConfig", "torch_dtyp", '"x"', ["unknown field", "'torch_dtype'"]),
        ("ModelConfig", "torch_dtype", '"float8"', ["Invalid torch dtype", "bfloat16"]),
        ("ModelConfig", "torch_dtype", "16", ["Invalid torch dtype"]),
        ("ModelConfig", "trust_remote_code", "true", ["code"]),
        ("ModelConfig", "pretrained_model_name_or_path", '"/etc"', ["tuning.preset.name"]),
        ("ModelConfig", "state_dict", '{"a": 1}', ["weights"]),
        ("ModelConfig", "local_files_only", '"maybe"', ["expected true or false"]),
        ("ModelConfig", "chat_template", '"/workspace/chat_templates/phi-4.jinja"', ["inline", "'{'"]),
        ("ModelConfig", "chat_template", "'{{ x }}\\x00'", ["U+0000"]),
        ("ModelConfig", "chat_template", '"chatml"', ["inline"]),
        ("QuantizationConfig", "load_in_4bits", "true", ["'load_in_4bit'"]),
        ("QuantizationConfig", "bnb_4bit_quant_type", '"nf5"', ["fp4, nf4", "did you mean 'nf4'"]),
        ("QuantizationConfig", "bnb_4bit_compute_dtype", '"int8"', ["bfloat16"]),
        ("QuantizationConfig", "llm_int8_threshold", '"six"', ["expected a number"]),
        ("QuantizationConfig", "quant_method", '"gptq"', ["bitsandbytes"]),
        ("LoraConfig", "r", "0", ["at least 1"]),
        ("LoraConfig", "r", "-3", ["at least 1"]),
        ("LoraConfig", "r", "1.5", ["expected an integer"]),
        ("LoraConfig", "r", "true", ["expected an integer"]),
        ("LoraConfig", "r", "null", ["expected an integer"]),
        ("LoraConfig", "r", "99999999999999999999999999", ["at most 4096"]),
        ("LoraConfig", "r", '"eight"', ["expected an integer"]),
        ("LoraConfig", "lora_dropout", "1", ["less than 1"]),
        ("LoraConfig", "lora_dropout", ".nan", ["expected a number"]),
        ("LoraConfig", "lora_alpha", ".inf", ["expected an integer"]),
        ("LoraConfig", "bias", '"some"', ["lora_only"]),
        ("LoraConfig", "target_modules", '["q_proj", ".*"]', ["no patterns"]),
        ("LoraConfig", "target_modules", "[[1]]", ["text"]),
        ("LoraConfig", "rank_pattern", '{"(a+)+$": 4}', ["names of modules"]),
        ("LoraConfig", "rank_pattern", '{"q_proj": 0}', ["at least 1"]),
        ("LoraConfig", "init_lora_weights", '"eva"', ["gaussian"]),
        ("LoraConfig", "inference_mode", "true", ["could not learn"]),
        ("LoraConfig", "task_type", '"SEQ_CLS"', ["CAUSAL_LM"]),
        ("LoraConfig", "layers_to_transform", "[-1]", ["at least 0"]),
        ("TrainingArguments", "learning_rate", "0", ["more than 0"]),
        ("TrainingArguments", "warmup_ratio", "10", ["at least 0 and less than 1"]),
        ("TrainingArguments", "max_seq_length", "0", ["at least 2"]),
        ("TrainingArguments", "learning_rate", '"fast"', ["expected a number"]),
        ("TrainingArguments", "num_train_epochs", "-1", ["more than 0"]),
        ("TrainingArguments", "per_device_train_batch_size", "0", ["at least 1"]),
        ("TrainingArguments", "num_train_epoch", "1", ["did you mean 'num_train_epochs'"]),
        ("TrainingArguments", "lr_scheduler_type", '"cosin"', ["did you mean 'cosine'"]),
        ("TrainingArguments", "lr_scheduler_kwargs", "3", ["expected a map"]),
        ("TrainingArguments", "optim", '"lomo"', ["library that the trainer does not have"]),
        ("TrainingArguments", "save_strategy", '"sometimes"', ["no, steps, epoch, best"]),
        ("TrainingArguments", "seed", "-1", ["at least 0"]),
        ("TrainingArguments", "packing_strategy", '"ffd"', ["bfd"]),
        ("TrainingArguments", "push_to_hub", "true", ["tuning.output"]),
        ("TrainingArguments", "hub_token", '"hf_verysecret"', ["secret"]),
        ("TrainingArguments", "deepspeed", '"/etc/passwd"', ["devices"]),
        ("TrainingArguments", "fsdp", '"full_shard"', ["devices"]),
        ("TrainingArguments", "trust_remote_code", "true", ["code"]),
        ("TrainingArguments", "model_init_kwargs", '{"a": 1}', ["ModelConfig"]),
        ("TrainingArguments", "chat_template_path", '"/etc/passwd"', ["ModelConfig.chat_template"]),
        ("TrainingArguments", "dataloader_drop_last", '"perhaps"', ["expected true or false"]),
        ("DatasetConfig", "train_test_split", "0", ["more than 0"]),
        ("DatasetConfig", "train_test_split", "1.01", ["at most 1"]),
        ("DatasetConfig", "train_test_split", "2", ["at most 1"]),
        ("DatasetConfig", "shuffle_seed", '"x"', ["expected an integer"]),
        ("DatasetConfig", "dataset_path", '"../etc/passwd"', ["below"]),
        ("DatasetConfig", "dataset_path", '"."', ["below"]),
        ("DatasetConfig", "dataset_extension", '"parket"', ["did you mean 'parquet'"]),
        ("DatasetConfig", "dataset_extension", '"pickle"', ["parquet"]),
        ("DatasetConfig", "shufle_dataset", "true", ["did you mean 'shuffle_dataset'"]),
        ("DataCollator", "tokenizer", '"x"', ["model's own tokenizer"]),
        ("DataCollator", "return_tensors", '"tf"', ["pt"]),
        ("DataCollator", "mlm_probability", "2", ["at most 1"]),
    ],
)
def test_refused(configured: Judge, section: str, field: str, value: str, words: list[str]) -> None:
    problems = configured(section, f"{{{field}: {value}}}").problems
    assert [problem.path for problem in problems] == [f"tuning.config.training_config.{section}.{field}"]
    for word in words:
        assert word in problems[0].message
    assert "hf_verysecret" not in problems[0].message


@pytest.mark.parametrize(
    ("section", "field", "value", "expected"),
    [
        ("LoraConfig", "r", '"16"', 16),
        ("LoraConfig", "r", "16.0", 16),
        ("LoraConfig", "lora_dropout", '"0.05"', 0.05),
        ("LoraConfig", "lora_dropout", "0", 0.0),
        ("LoraConfig", "target_modules", '"all-linear"', "all-linear"),
        ("LoraConfig", "modules_to_save", '"lm_head, embed_tokens"', ("lm_head", "embed_tokens")),
        ("LoraConfig", "layers_to_transform", "3", (3,)),
        ("LoraConfig", "rank_pattern", '{"o_proj": 4}', {"o_proj": 4}),
        ("LoraConfig", "init_lora_weights", '"gaussian"', "gaussian"),
        ("LoraConfig", "task_type", '"CAUSAL_LM"', "CAUSAL_LM"),
        ("TrainingArguments", "learning_rate", "2e-4", 2e-4),
        ("TrainingArguments", "learning_rate", "1", 1.0),
        ("TrainingArguments", "save_strategy", "no", "no"),
        ("TrainingArguments", "gradient_checkpointing", "no", False),
        ("TrainingArguments", "bf16", '"True"', True),
        ("TrainingArguments", "bf16", "null", None),
        ("TrainingArguments", "max_length", "null", None),
        ("TrainingArguments", "save_total_limit", "0", 0),
        ("TrainingArguments", "seed", "0x10", 16),
        ("TrainingArguments", "lr_scheduler_kwargs", "'{\"num_cycles\": 2}'", {"num_cycles": 2}),
        ("TrainingArguments", "max_steps", "1_000", 1000),
        ("DatasetConfig", "dataset_path", '"data/rows.csv"', "data/rows.csv"),
        ("DatasetConfig", "dataset_extension", '"csv"', "csv"),
        ("DatasetConfig", "response_column", '"answer"', "answer"),
        ("DataCollator", "pad_to_multiple_of", "8", 8),
        ("ModelConfig", "torch_dtype", "half", "float16"),
        ("DatasetConfig", "dataset_path", '"/data//rows.csv"', "data/rows.csv"),
        ("DatasetConfig", "dataset_path", '""', None),
        ("DatasetConfig", "dataset_extension", '".CSV"', "csv"),
        ("ModelConfig", "chat_template", "'{{ messages }}\\n\\u00e9é'", "{{ messages }}\néé"),
        ("ModelConfig", "chat_template", "phi-3.jinja", None),
        ("ModelConfig", "chat_template", "/workspace/chat_templates/phi-3.jinja", None),
    ],
)
def test_values_get_their_type(configured: Judge, section: str, field: str, value: str, expected: object) -> None:
    verdict = configured(section, f"{{{field}: {value}}}")
    assert verdict.problems == ()
    assert verdict.spec is not None
    made = verdict.spec.config.model_dump(by_alias=True)[section][field]
    assert made == expected
    assert type(made) is type(expected)
    assert verdict.spec.config.given == {section: (field,)}


def test_other_fields_of_the_library_are_kept_when_they_differ_from_its_default(configured: Judge) -> None:
    spec = configured(
        "TrainingArguments", "{dataloader_drop_last: true, dataloader_pin_memory: 'yes', loss_type: dft}"
    ).spec
    assert spec is not None
    assert spec.config.training.model_extra == {"dataloader_drop_last": True, "loss_type": "dft"}
    assert spec.config.training.as_kwargs()["dataloader_drop_last"] is True


@pytest.mark.parametrize(
    ("old", "value", "new", "expected"),
    [
        ("evaluation_strategy", "'no'", "eval_strategy", "no"),
        ("max_seq_length", "512", "max_length", 512),
        ("warmup_ratio", "0.1", "warmup_steps", 0.1),
        ("per_gpu_train_batch_size", "2", "per_device_train_batch_size", 2),
        ("no_cuda", "true", "use_cpu", True),
        ("group_by_length", "true", "train_sampling_strategy", "group_by_length"),
        ("group_by_length", "false", "train_sampling_strategy", "random"),
        ("adafactor", "true", "optim", "adafactor"),
        ("activation_checkpointing", "true", "gradient_checkpointing", True),
    ],
)
def test_renamed_fields_pass_with_a_warning(
    configured: Judge, old: str, value: str, new: str, expected: object
) -> None:
    verdict = configured("TrainingArguments", f"{{{old}: {value}}}")
    assert verdict.spec is not None
    assert getattr(verdict.spec.config.training, new) == expected
    assert [warning for warning in verdict.warnings if f"{old}: is taken as {new}" in warning]


def test_what_happens_anyway_is_no_matter_for_a_warning(configured: Judge) -> None:
    verdict = configured("TrainingArguments", "{metric_for_best_model: eval_loss, greater_is_better: false}")
    assert not [warning for warning in verdict.warnings if "has no effect" in warning]
    assert not configured("TrainingArguments", "{activation_checkpointing: null}").problems


def test_a_field_under_both_its_names_is_refused(configured: Judge) -> None:
    problems = configured("TrainingArguments", "{max_length: 5, max_seq_length: 6}").problems
    assert "same under its new name" in problems[0].message


@pytest.mark.parametrize(
    ("section", "field", "value"),
    [
        ("ModelConfig", "from_tf", "false"),
        ("ModelConfig", "resume_download", "true"),
        ("ModelConfig", "load_in_4bit", "false"),
        ("ModelConfig", "cache_dir", '"/tmp"'),
        ("ModelConfig", "proxies", '"http://10.0.0.1"'),
        ("ModelConfig", "device_map", '"cuda:0"'),
        ("ModelConfig", "revision", '"abc"'),
        ("TrainingArguments", "report_to", '"wandb"'),
        ("TrainingArguments", "logging_dir", '"/x"'),
        ("TrainingArguments", "overwrite_output_dir", "true"),
        ("TrainingArguments", "resume_from_checkpoint", '"/x"'),
        ("TrainingArguments", "dataloader_num_workers", "100000"),
        ("TrainingArguments", "torch_compile", "true"),
        ("TrainingArguments", "hub_model_id", '"me/x"'),
        ("TrainingArguments", "use_legacy_prediction_loop", "false"),
        ("TrainingArguments", "use_liger", "true"),
        ("DataCollator", "tf_experimental_compile", "false"),
        ("DataCollator", "mlm", "true"),
        ("DataCollator", "mask_replace_prob", "0.5"),
        ("TrainingArguments", "metric_for_best_model", "accuracy"),
        ("TrainingArguments", "eval_packing", "true"),
        ("TrainingArguments", "packing_strategy", "wrapped"),
        ("TrainingArguments", "logging_steps", "1"),
        ("TrainingArguments", "eval_delay", "2"),
        ("TrainingArguments", "truncation_mode", "keep_end"),
        ("QuantizationConfig", "llm_int8_enable_fp32_cpu_offload", "true"),
    ],
)
def test_fields_without_effect_pass_with_a_warning(configured: Judge, section: str, field: str, value: str) -> None:
    verdict = configured(section, f"{{{field}: {value}}}")
    assert verdict.valid
    assert [warning for warning in verdict.warnings if warning.startswith(f"{section}.{field}: ")]


@pytest.mark.parametrize("section", SECTIONS)
def test_what_asks_for_nothing_passes_without_a_word(configured: Judge, section: str) -> None:
    """Each field of the policy that is set to the library's own default."""
    quiet = {
        field: table["default"]
        for field, table in library_fields().get(section, {}).items()
        if field in {*REFUSED[section], *IGNORED[section], *INERT[section]}
    }
    verdict = configured(section, json.dumps(quiet))
    assert verdict.problems == ()
    assert [warning for warning in verdict.warnings if section in warning] == []


@pytest.mark.parametrize("section", SECTIONS)
def test_every_field_has_exactly_one_fate(section: str) -> None:
    """Taken, refused, without effect, dropped or renamed; what a library takes is always one of these."""
    own = set(SECTION_MODELS[section].model_fields)
    fates = [set(table.get(section, {})) for table in (REFUSED, IGNORED, DROPPED, RENAMED)]
    assert sum(map(len, [own, *fates])) == len(own.union(*fates))
    if section != "TrainingArguments":
        assert set(library_fields().get(section, {})) <= own.union(*fates)
    assert own.union(*fates) <= known_fields(section)


@pytest.mark.parametrize(
    ("preset", "revision", "expected"),
    [
        ("org/model", "abc123", "abc123"),
        ("org/model", "main", "main"),
        ("tiny", "abc123", "1"),
        ("phi-4", "main", "187ef0342fff0eb3333be9f00389385e95ef0b61"),
        ("microsoft/phi-4", "main", "187ef0342fff0eb3333be9f00389385e95ef0b61"),
    ],
)
def test_only_a_model_that_nobody_pinned_takes_a_revision(
    configured: Judge, preset: str, revision: str, expected: str
) -> None:
    verdict = configured("ModelConfig", f"{{revision: {revision}}}", {"tuning.preset": {"name": preset}})
    assert verdict.spec is not None
    assert verdict.spec.model.revision == verdict.spec.config.model.revision == expected
