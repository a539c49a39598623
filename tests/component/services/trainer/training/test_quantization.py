"""Every way of quantising trains for real on the CPU, and the adapter learns in float32."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from services.trainer.children.pool import TrainerPool

from .conftest import Heard, MakePlan, counting_rows

KINDS: dict[str, dict[str, Any]] = {
    "nf4": {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"},
    "fp4": {"load_in_4bit": True, "bnb_4bit_quant_type": "fp4"},
    "nf4-double": {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True},
    "int8": {"load_in_8bit": True, "llm_int8_skip_modules": ["lm_head", "o_proj"]},
}


@pytest.mark.parametrize("kind", KINDS)
async def test_it_learns(pool: TrainerPool, scratch: Path, plan_for: MakePlan, kind: str) -> None:
    plan = plan_for(
        counting_rows(16),
        method="qlora",
        LoraConfig={"r": 4},
        QuantizationConfig=KINDS[kind],
        TrainingArguments={"learning_rate": 1e-2, "per_device_train_batch_size": 8, "max_steps": 6},
    ).model_copy(update={"samples": 0})

    result = await pool.run(plan, scratch, Heard(), stop=asyncio.Event())

    assert result.finished is not None
    assert result.finished.metrics["eval_loss"] < 0.9 * result.finished.metrics["base_loss"]
    weights = load_file(result.adapter_folder / "adapter_model.safetensors")
    assert {values.dtype for values in weights.values()} == {np.dtype(np.float32)}


async def test_looking_does_not_change_what_is_learned(pool: TrainerPool, scratch: Path, plan_for: MakePlan) -> None:
    """bitsandbytes lays weights out anew for inference, on some CPUs; the training must not notice."""
    plan = plan_for(
        counting_rows(8),
        eval_rows=counting_rows(2),
        method="qlora",
        LoraConfig={"r": 4, "use_dora": True},
        QuantizationConfig=KINDS["nf4"],
        TrainingArguments={"learning_rate": 1e-2, "max_steps": 3},
    ).model_copy(update={"samples": 0})
    losses = []
    for name, steps in (("once", None), ("often", 1)):
        folder = scratch / name
        folder.mkdir()
        looked = plan.model_copy(update={"eval_steps": steps})
        finished = (await pool.run(looked, folder, Heard(), stop=asyncio.Event())).finished
        assert finished is not None
        losses.append([finished.metrics[metric] for metric in ("loss_last", "eval_loss")])
    assert losses[0] == losses[1]
