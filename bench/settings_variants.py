"""The configurations that `bench/settings.py` compares: one to begin with, and each of the others changes one thing."""

import copy
from typing import Any

Sections = dict[str, dict[str, Any]]

BASE: Sections = {
    "ModelConfig": {"torch_dtype": "float32"},
    "LoraConfig": {"r": 8, "lora_alpha": 16, "target_modules": "all-linear"},
    "TrainingArguments": {
        "num_train_epochs": 1,
        "per_device_train_batch_size": 8,
        "learning_rate": 2e-3,
        "max_length": 512,
        "gradient_checkpointing": False,
        "bf16": False,
        "save_strategy": "no",
        "output_dir": "/mnt/results",
    },
    "DatasetConfig": {"train_test_split": 0.8},
}


def _training(**fields: Any) -> Sections:
    return {"TrainingArguments": fields}


def _lora(**fields: Any) -> Sections:
    return {"LoraConfig": fields}


def _quantized(**fields: Any) -> Sections:
    return {"QuantizationConfig": fields}


VARIANTS: dict[str, Sections] = {
    "r 1": _lora(r=1, lora_alpha=2),
    "r 64": _lora(r=64, lora_alpha=128),
    "target_modules q_proj, v_proj": _lora(target_modules=["q_proj", "v_proj"]),
    "target_modules attention only": _lora(target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]),
    "use_dora true": _lora(use_dora=True),
    "packing true, batch 1": _training(packing=True, per_device_train_batch_size=1),
    "max_length 64": _training(max_length=64),
    "batch 1": _training(per_device_train_batch_size=1),
    "batch 32": _training(per_device_train_batch_size=32),
    "batch 8, accumulation 4": _training(gradient_accumulation_steps=4),
    "torch_dtype bfloat16": {"ModelConfig": {"torch_dtype": "bfloat16"}},
    "qlora, 4 bits (nf4)": _quantized(load_in_4bit=True, bnb_4bit_quant_type="nf4"),
    "qlora, 8 bits": _quantized(load_in_8bit=True),
    "gradient_checkpointing true": _training(gradient_checkpointing=True),
    "num_train_epochs 3": _training(num_train_epochs=3),
    "learning_rate 2e-5": _training(learning_rate=2e-5),
    "learning_rate 2e-4": _training(learning_rate=2e-4),
    "learning_rate 2e-2": _training(learning_rate=2e-2),
}


def merged(base: Sections, change: Sections) -> Sections:
    """The base with the fields of the change in their places."""
    result = copy.deepcopy(base)
    for section, fields in change.items():
        result.setdefault(section, {}).update(fields)
    return result
