"""The adapter's two files, checked before they leave: something was learned, and they name the real base model."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from schemas.failures import Reason
from services.common.errors import UserError
from services.trainer.planning.plan import TrainPlan
from services.trainer.training.checkpoint import trained_weights
from services.trainer.training.model import Loaded

_SETS = ("target_modules", "exclude_modules")
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def save_adapter(plan: TrainPlan, loaded: Loaded, folder: Path) -> tuple[str, str]:
    """Write `adapter_config.json` and `adapter_model.safetensors`; raise when nothing was learned."""
    refuse_unchanged(loaded)
    loaded.model.save_pretrained(folder, safe_serialization=True, save_embedding_layers=False)
    config = json.loads((folder / CONFIG).read_bytes())
    if loaded.start:
        config |= _plain(folder / WEIGHTS, loaded.start, config)
    config |= {
        "base_model_name_or_path": plan.base_model,
        "revision": plan.base_revision,
        "task_type": "CAUSAL_LM",
        "inference_mode": True,
    }
    # PEFT keeps them as sets, whose order is the interpreter's.
    config |= {name: sorted(config[name]) for name in _SETS if isinstance(config.get(name), list)}
    (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    for path in folder.iterdir():
        if path.name not in (CONFIG, WEIGHTS):
            path.unlink()
    return CONFIG, WEIGHTS


def _plain(path: Path, start: Mapping[str, torch.Tensor], config: Mapping[str, Any]) -> dict[str, object]:
    """Make the weights a change of the base model as it is, and give what this changes in the config.

    What was taken out of the base model comes in as a second half of the rank, with the opposite sign. PEFT alone
    would take it out again when it loads the adapter; KAITO's inference and vLLM do not.
    """
    saved = load_file(path)
    for name, weight in start.items():
        key = name.replace(".default.", ".")
        if "lora_A" in name:
            saved[key] = torch.cat([saved[key], weight.cpu()], dim=0)
        elif "lora_B" in name:
            saved[key] = torch.cat([saved[key], -weight.cpu()], dim=1)
    save_file({key: weight.contiguous() for key, weight in saved.items()}, path, metadata={"format": "pt"})
    # Twice the rank with the same scale.
    times = math.sqrt(2) if config["use_rslora"] else 2
    return {
        "init_lora_weights": True,
        "r": 2 * config["r"],
        "lora_alpha": times * config["lora_alpha"],
        "rank_pattern": {name: 2 * rank for name, rank in config["rank_pattern"].items()},
        "alpha_pattern": {name: times * alpha for name, alpha in config["alpha_pattern"].items()},
    }


def refuse_unchanged(loaded: Loaded) -> None:
    """LoRA's B matrices start at zero (unless another start was asked for): if all still are, nothing was learned."""
    trained = trained_weights(loaded.model)
    if not all(bool(torch.isfinite(weight).all()) for weight in trained.values()):
        raise UserError(
            Reason.TRAINING_DIVERGED,
            "the adapter has weights that are no finite numbers: lower TrainingArguments.learning_rate",
        )
    starts_at_zero = [weight for name, weight in trained.items() if "lora_B" in name]
    as_before = bool(loaded.start) and all(torch.equal(trained[name], weight) for name, weight in loaded.start.items())
    if as_before or (starts_at_zero and not any(bool(weight.any()) for weight in starts_at_zero)):
        raise UserError(
            Reason.ADAPTER_UNCHANGED,
            "the adapter is the same as before training: raise TrainingArguments.learning_rate or the number of steps",
        )
