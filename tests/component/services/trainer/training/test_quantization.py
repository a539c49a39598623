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
    "int8": {"load_in_8bit": True},
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
