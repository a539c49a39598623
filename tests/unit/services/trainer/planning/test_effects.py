"""Each field of training_config.yaml that is said to have an effect changes the plan or the rules of the data.

What a plan says, TRL, PEFT and bitsandbytes are told in their own words; what that trains, the tests of training show.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from docs.reference.training_config import EFFECTS, fates
from schemas.admission import admit
from schemas.admission.sections import known_fields
from schemas.field_tables import SECTIONS
from schemas.presets import Preset, find_preset
from schemas.workspace import ResolvedSpec
from services.trainer.dataset.preflight import rules_of
from services.trainer.dataset.settings import DatasetSettings
from services.trainer.planning.plan import Folders, make_plan

from .test_plan import A100, DATA, MODEL

TINY = Path(__file__).parents[5] / "examples" / "tiny"
EVALUATED = {"eval_strategy": "steps", "eval_steps": 7}
# By field: a value, and the other fields of the section that it needs.
SAMPLES: dict[str, dict[str, tuple[Any, dict[str, Any]]]] = {
    "ModelConfig": {"torch_dtype": ("float64", {}), "revision": ("abc", {}), "chat_template": ("{{ messages }}", {})},
    "QuantizationConfig": {
        "load_in_4bit": (True, {}),
        "load_in_8bit": (True, {}),
        "llm_int8_threshold": (5.0, {"load_in_8bit": True}),
        "llm_int8_skip_modules": (["lm_head"], {"load_in_8bit": True}),
        "llm_int8_has_fp16_weight": (True, {"load_in_8bit": True}),
        "bnb_4bit_compute_dtype": ("float64", {"load_in_4bit": True}),
        "bnb_4bit_quant_type": ("nf4", {"load_in_4bit": True}),
        "bnb_4bit_use_double_quant": (True, {"load_in_4bit": True}),
        "bnb_4bit_quant_storage": ("float32", {"load_in_4bit": True}),
    },
    "LoraConfig": {
        name: (value, {})
        for name, value in {
            "r": 4,
            "lora_alpha": 32,
            "lora_dropout": 0.1,
            "target_modules": ["q_proj"],
            "bias": "all",
            "exclude_modules": ["o_proj"],
            "modules_to_save": ["lm_head"],
            "fan_in_fan_out": True,
            "use_rslora": True,
            "use_dora": True,
            "lora_bias": True,
            "init_lora_weights": "gaussian",
            "rank_pattern": {"q_proj": 2},
            "alpha_pattern": {"q_proj": 2},
        }.items()
    }
    | {
        "layers_to_transform": ([0], {"target_modules": ["q_proj"]}),
        "layers_pattern": (["layers"], {"target_modules": ["q_proj"], "layers_to_transform": [0]}),
    },
    "TrainingArguments": {
        **{
            name: (value, {})
            for name, value in {
                "num_train_epochs": 1,
                "max_steps": 5,
                "learning_rate": 1e-3,
                "lr_scheduler_type": "cosine",
                "lr_scheduler_kwargs": {"num_cycles": 2},
                "warmup_steps": 3,
                "optim": "sgd",
                "weight_decay": 0.1,
                "adam_beta1": 0.8,
                "adam_beta2": 0.9,
                "adam_epsilon": 1e-6,
                "max_grad_norm": 0.5,
                "label_smoothing_factor": 0.1,
                "loss_type": "dft",
                "neftune_noise_alpha": 5.0,
                "per_device_train_batch_size": 3,
                "gradient_accumulation_steps": 2,
                "gradient_checkpointing": True,
                "gradient_checkpointing_kwargs": {"use_reentrant": False},
                "activation_offloading": True,
                "bf16": True,
                "fp16": True,
                "tf32": True,
                "full_determinism": True,
                "seed": 7,
                "data_seed": 7,
                "save_strategy": "no",
                "save_steps": 9,
                "train_sampling_strategy": "sequential",
                "use_cpu": True,
                "max_length": 64,
                "packing": True,
                "completion_only_loss": False,
                "dataset_text_field": "body",
                "eos_token": "<|end|>",
                "ddp_find_unused_parameters": False,
                "ddp_bucket_cap_mb": 5,
                "ddp_broadcast_buffers": False,
                "ddp_static_graph": True,
                "ddp_timeout": 60,
            }.items()
        },
        "eval_strategy": ("epoch", {}),
        "eval_steps": (3, {"eval_strategy": "steps"}),
        "load_best_model_at_end": (True, EVALUATED),
    },
    "DatasetConfig": {
        name: (value, {})
        for name, value in {
            "dataset_path": "data/a.csv",
            "dataset_extension": "csv",
            "shuffle_dataset": False,
            "shuffle_seed": 7,
            "context_column": "question",
            "response_column": "answer",
            "messages_column": "turns",
            "train_test_split": 0.5,
        }.items()
    },
    "DataCollator": {},
}


@pytest.mark.parametrize("section", SECTIONS)
def test_every_field_has_a_fate_on_the_page_and_every_effect_a_sample(section: str) -> None:
    names = [name for name, _ in fates(section)]
    assert sorted(names) == sorted(known_fields(section))
    assert SAMPLES[section].keys() == EFFECTS[section].keys()


@pytest.mark.parametrize(("section", "field"), [(section, field) for section in SAMPLES for field in SAMPLES[section]])
def test_a_field_has_its_effect(section: str, field: str) -> None:
    value, others = SAMPLES[section][field]
    assert _outcome({section: {**others, field: value}}) != _outcome({section: others})


def _outcome(sections: dict[str, dict[str, Any]]) -> tuple[object, ...]:
    """Of a model that nobody has pinned, with a GPU, so that every field can have a say."""
    spec = _admitted(sections)
    preset = find_preset(spec.preset)
    assert isinstance(preset, Preset)
    folders, data = Folders(model="model", tokens="tokens"), replace(DATA, eval_rows=10)
    plan = make_plan(spec, preset, data, MODEL, A100, folders, job_id="default.test.0")
    return plan, rules_of(spec, TINY, DatasetSettings())


def _admitted(sections: dict[str, dict[str, Any]]) -> ResolvedSpec:
    quantised = {"load_in_4bit", "load_in_8bit"} & sections.get("QuantizationConfig", {}).keys()
    workspace = {
        "apiVersion": "kaito.sh/v1beta1",
        "kind": "Workspace",
        "metadata": {"name": "test"},
        "resource": {"instanceType": "Standard_NC24ads_A100_v4", "labelSelector": {}},
        "tuning": {
            "preset": {"name": "somebody/some-model"},
            "method": "qlora" if quantised else "lora",
            "config": "mine",
            "input": {"urls": ["https://data.example.com/rows.jsonl"]},
            "output": {"image": "registry.example.com/adapters/a:1", "imagePushSecret": "push"},
        },
    }
    text = json.dumps({"training_config": sections})
    verdict = admit(workspace, config_maps={"mine": {"training_config.yaml": text}})
    assert verdict.problems == ()
    assert verdict.spec is not None
    return verdict.spec
