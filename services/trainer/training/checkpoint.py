"""Checkpoints as the child writes and reads them: everything from which the training goes on exactly as it would have.

What is trained (adapter and whatever else learns), optimizer, scheduler, loss scaler, and counts. The position in the
data is the step, and every step draws its random numbers from a seed of its own, so neither has to be kept.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from services.trainer.training.state_files import load_state, save_state

_STATE = "state"
_VERSION = 1
# The parent takes finished checkpoints away; while it is slower than the training, periodic ones are left out.
WAITING = 2


@dataclass(slots=True)
class Counts:
    """What is counted over all attempts of a job."""

    step: int = 0
    trained_tokens: int = 0
    train_seconds: float = 0.0
    cpu_seconds: float = 0.0
    first_loss: float | None = None
    best_loss: float | None = None
    losses: list[tuple[int, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a checkpoint is made of; `scaler` only where float16 products need one."""

    model: Any
    optimizer: Any
    scheduler: Any
    scaler: Any = None


def save(folder: Path, parts: Parts, counts: Counts, best: dict[str, torch.Tensor] | None) -> Path:
    """Write `checkpoint-<step>` below `folder`; it has this name only once it is complete."""
    final = folder / f"checkpoint-{counts.step}"
    draft = folder / f".{final.name}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    state = {
        "version": _VERSION,
        "counts": asdict(counts),
        "weights": trained_weights(parts.model),
        "optimizer": parts.optimizer.state_dict(),
        "scheduler": parts.scheduler.state_dict(),
        "scaler": parts.scaler.state_dict() if parts.scaler is not None else None,
        "best": best,
    }
    save_state(draft, _STATE, state)
    shutil.rmtree(final, ignore_errors=True)
    os.replace(draft, final)  # noqa: PTH105 - a folder, in one move.
    return final


def restore(folder: Path, parts: Parts) -> tuple[Counts, dict[str, torch.Tensor] | None]:
    """Put a checkpoint's state into model, optimizer and scheduler; raises ValueError when it does not fit."""
    try:
        state = load_state(folder, _STATE)
        if state["version"] != _VERSION:
            raise ValueError(f"{folder.name} has version {state['version']}")
        put_weights(parts.model, state["weights"])
        parts.optimizer.load_state_dict(state["optimizer"])
        parts.scheduler.load_state_dict(state["scheduler"])
        if parts.scaler is not None and state["scaler"]:
            parts.scaler.load_state_dict(state["scaler"])
        return Counts(**state["counts"]), state["best"]
    except (OSError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{folder.name} cannot be used: {type(error).__name__}: {error}") from error


def waiting(folder: Path) -> int:
    """Complete checkpoints that the parent has not taken away yet."""
    return sum(path.name.startswith("checkpoint-") for path in folder.iterdir()) if folder.is_dir() else 0


def trained_weights(model: Any) -> dict[str, torch.Tensor]:
    """By name, what learns."""
    return {name: weight.detach() for name, weight in model.named_parameters() if weight.requires_grad}


def put_weights(model: Any, weights: Mapping[str, torch.Tensor]) -> None:
    """Replace what learns; raises ValueError when names or shapes differ."""
    mine = trained_weights(model)
    if mine.keys() != weights.keys() or any(mine[name].shape != weights[name].shape for name in mine):
        raise ValueError("the checkpoint's weights are not those of this adapter")
    with torch.no_grad():
        for name, weight in mine.items():
            weight.copy_(weights[name])
