"""Requests of a few steps on the preset `tiny`, so that a job takes seconds."""

import copy
import json
from pathlib import Path
from typing import Any

TRAINING: dict[str, Any] = {
    "output_dir": "/mnt/results",
    "max_steps": 4,
    "per_device_train_batch_size": 4,
    "learning_rate": 5e-3,
    "save_strategy": "no",
    "gradient_checkpointing": False,
    "bf16": False,
    "seed": 42,
}
SECTIONS: dict[str, Any] = {
    "ModelConfig": {"torch_dtype": "float32", "local_files_only": True},
    "LoraConfig": {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0, "target_modules": "all-linear"},
    "DatasetConfig": {"shuffle_dataset": True, "shuffle_seed": 42, "train_test_split": 1},
}
LONG = 100_000
"""Steps of a training that nobody waits for."""


def claim(name: str) -> dict[str, Any]:
    """A volume."""
    return {"volumeSource": {"persistentVolumeClaim": {"claimName": name}}}


def image(reference: str) -> dict[str, Any]:
    """An image and the secret that `lorabus up --profile stack` makes for its registry."""
    return {"image": reference, "imagePushSecret": "registry"}


def documents(
    name: str,
    *,
    data: str = "python-docs",
    output: dict[str, Any] | None = None,
    preset: str = "tiny",
    **training: Any,
) -> list[dict[str, Any]]:
    """A Workspace and its ConfigMap; `training` are `TrainingArguments`."""
    workspace = {
        "apiVersion": "kaito.sh/v1beta1",
        "kind": "Workspace",
        "metadata": {"name": name},
        "resource": {"instanceType": "Standard_NC24ads_A100_v4", "labelSelector": {"matchLabels": {"apps": name}}},
        "tuning": {
            "preset": {"name": preset},
            "method": "lora",
            "config": f"{name}-config",
            "input": claim(data),
            "output": output or claim("adapters"),
        },
    }
    sections = {**copy.deepcopy(SECTIONS), "TrainingArguments": {**TRAINING, **training}}
    # YAML holds JSON.
    config = {"training_config.yaml": json.dumps({"training_config": sections})}
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{name}-config"}, "data": config}
    return [workspace, config_map]


def write(folder: Path, *documents: dict[str, Any]) -> str:
    """One file with all of the documents; gives its path."""
    path = folder / "request.yaml"
    path.write_text("\n---\n".join(json.dumps(document) for document in documents))
    return str(path)
