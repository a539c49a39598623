"""The adapter's two files, checked before they leave: something was learned, and they name the real base model."""

import json
from pathlib import Path
from typing import Any

import torch

from schemas.failures import Reason
from services.common.errors import UserError
from services.trainer.planning.plan import TrainPlan
from services.trainer.training.model import Loaded

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def save_adapter(plan: TrainPlan, loaded: Loaded, folder: Path) -> tuple[str, str]:
    """Write `adapter_config.json` and `adapter_model.safetensors`; raise when nothing was learned."""
    refuse_unchanged(loaded.model)
    loaded.model.save_pretrained(folder, safe_serialization=True, save_embedding_layers=False)
    config = json.loads((folder / CONFIG).read_bytes())
    config |= {
        "base_model_name_or_path": plan.base_model,
        "revision": plan.base_revision,
        "task_type": "CAUSAL_LM",
        "inference_mode": True,
    }
    (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    for path in folder.iterdir():
        if path.name not in (CONFIG, WEIGHTS):
            path.unlink()
    return CONFIG, WEIGHTS


def refuse_unchanged(model: Any) -> None:
    """LoRA's B matrices start at zero (unless another start was asked for): if all still are, nothing was learned."""
    trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    if not all(bool(torch.isfinite(weight).all()) for weight in trained.values()):
        raise UserError(
            Reason.TRAINING_DIVERGED,
            "the adapter has weights that are no finite numbers: lower TrainingArguments.learning_rate",
        )
    starts_at_zero = [weight for name, weight in trained.items() if "lora_B" in name]
    if starts_at_zero and not any(bool(weight.any()) for weight in starts_at_zero):
        raise UserError(
            Reason.ADAPTER_UNCHANGED,
            "the adapter is the same as before training: raise TrainingArguments.learning_rate or the number of steps",
        )
