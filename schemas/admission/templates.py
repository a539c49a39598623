"""The configuration of a Workspace that names none: KAITO's two default ConfigMaps."""

from collections.abc import Mapping

_SHARED: Mapping[str, Mapping[str, object]] = {
    "ModelConfig": {"torch_dtype": "bfloat16", "local_files_only": True, "device_map": "auto"},
    "LoraConfig": {"r": 8, "lora_alpha": 8, "lora_dropout": 0.0},
    "TrainingArguments": {
        "output_dir": "/mnt/results",
        "ddp_find_unused_parameters": False,
        "save_strategy": "no",
        "per_device_train_batch_size": 1,
    },
    "DataCollator": {"mlm": True},
    "DatasetConfig": {"shuffle_dataset": True, "train_test_split": 1},
}
_LORA: Mapping[str, Mapping[str, object]] = {**_SHARED, "QuantizationConfig": {"load_in_4bit": False}}
_QLORA: Mapping[str, Mapping[str, object]] = {
    **_SHARED,
    "QuantizationConfig": {
        "load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_compute_dtype": "bfloat16",
        "bnb_4bit_use_double_quant": True,
    },
}

TEMPLATES: Mapping[str, Mapping[str, Mapping[str, object]]] = {
    "lora-params-template": _LORA,
    "qlora-params-template": _QLORA,
}


def template_name(method: str) -> str:
    return f"{method}-params-template"
