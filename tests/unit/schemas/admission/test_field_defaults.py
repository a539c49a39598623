"""Section 4.1 of KAITO's contract: each field that it names, with the value that it has when a file leaves it out."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from schemas.admission import Verdict

Judge = Callable[..., Verdict]

# What lorabus itself reads.
DEFAULTS: dict[str, dict[str, Any]] = {
    "ModelConfig": {
        "local_files_only": False,
        "revision": "main",
        "torch_dtype": None,
        "device_map": "auto",
        "chat_template": None,
    },
    "QuantizationConfig": {
        "load_in_8bit": False,
        "load_in_4bit": False,
        "llm_int8_threshold": 6.0,
        "llm_int8_skip_modules": None,
        "llm_int8_enable_fp32_cpu_offload": False,
        "llm_int8_has_fp16_weight": False,
        "bnb_4bit_compute_dtype": "float32",
        "bnb_4bit_quant_type": "fp4",
        "bnb_4bit_use_double_quant": False,
    },
    "LoraConfig": {
        "init_lora_weights": True,
        "target_modules": None,
        "layers_to_transform": None,
        "layers_pattern": None,
        "r": 8,
        "lora_alpha": 8,
        "lora_dropout": 0.0,
        "bias": "none",
        "task_type": None,
    },
    "TrainingArguments": {"num_train_epochs": 3.0, "packing": False},
    "DatasetConfig": {
        "dataset_path": None,
        "dataset_extension": None,
        "shuffle_dataset": True,
        "shuffle_seed": 42,
        "context_column": None,
        "response_column": "text",
        "messages_column": None,
        "train_test_split": 0.8,
    },
    "DataCollator": {"mlm": True, "mlm_probability": 0.15, "pad_to_multiple_of": None},
}
# What is decided elsewhere, or is nothing for a service: written out as it is anyway, it passes.
ELSEWHERE: dict[str, dict[str, Any]] = {
    "ModelConfig": {
        "pretrained_model_name_or_path": "/workspace/tfs/weights",
        "state_dict": None,
        "cache_dir": None,
        "force_download": False,
        "proxies": None,
        "output_loading_info": False,
        "trust_remote_code": False,
    },
    "QuantizationConfig": {"quant_method": "bitsandbytes"},
    "LoraConfig": {"loftq_config": {}},
    "DataCollator": {"tokenizer": None},
}
NAMED = [
    (section, field, value)
    for table in (DEFAULTS, ELSEWHERE)
    for section, fields in table.items()
    for field, value in fields.items()
]


def admitted(judge: Judge, config: dict[str, Any]) -> Verdict:
    text = json.dumps({"training_config": config})
    return judge({"tuning.preset": {"name": "org/model"}}, training_config=text)


@pytest.mark.parametrize("section", DEFAULTS)
def test_a_file_that_leaves_everything_out_has_these(judge: Judge, section: str) -> None:
    spec = admitted(judge, {}).spec
    assert spec is not None
    made = spec.config.model_dump(by_alias=True)[section]
    assert {field: made[field] for field in DEFAULTS[section]} == DEFAULTS[section]


@pytest.mark.parametrize(("section", "field", "value"), NAMED)
def test_a_default_that_is_written_out_is_the_same_spec(judge: Judge, section: str, field: str, value: object) -> None:
    made, left_out = admitted(judge, {section: {field: value}}), admitted(judge, {})
    assert made.problems == ()
    assert made.spec is not None
    assert left_out.spec is not None
    assert made.spec.spec_digest == left_out.spec.spec_digest
    expected = ["DataCollator.mlm"] if field == "mlm" else []
    assert [warning.partition(":")[0] for warning in made.warnings if section in warning] == expected
