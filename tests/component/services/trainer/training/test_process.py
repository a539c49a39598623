"""A training through the trainer's own door: a plan in, messages on the way, an adapter out."""

import asyncio
import json
from pathlib import Path

from safetensors.numpy import load_file

from services.trainer.children.messages import Evaluated, Progress, Started
from services.trainer.children.pool import TrainerPool

from .conftest import Heard, MakePlan, counting_rows


async def test_a_lora_is_trained_and_its_files_name_the_base_model(
    pool: TrainerPool, scratch: Path, plan_for: MakePlan
) -> None:
    plan = plan_for(
        counting_rows(),
        LoraConfig={"r": 8, "lora_alpha": 16, "target_modules": "all-linear"},
        TrainingArguments={"learning_rate": 5e-3, "per_device_train_batch_size": 8, "num_train_epochs": 6},
    )
    heard = Heard()

    result = await pool.run(plan, scratch, heard, stop=asyncio.Event())

    assert result.finished is not None
    assert result.finished.metrics["loss_last"] < 0.5 * result.finished.metrics["loss_first"]
    assert result.finished.trained_tokens == 6 * 24 * 9
    assert heard.first(Started).target_modules == 4 * 7
    last = heard.all(Progress)[-1]
    assert (last.step, last.total_steps, last.epoch) == (18, 18, 6.0)
    assert last.learning_rate is not None
    assert 0 < last.learning_rate < 1e-3
    config = json.loads((result.adapter_folder / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == ("lorabus/tiny", "1")
    assert config["task_type"] == "CAUSAL_LM"
    weights = load_file(result.adapter_folder / "adapter_model.safetensors")
    assert len(weights) == 2 * 4 * 7
    assert {path.name for path in result.adapter_folder.iterdir()} == set(result.finished.files)


async def test_at_the_end_the_adapter_is_compared_with_the_base_model(
    pool: TrainerPool, scratch: Path, plan_for: MakePlan
) -> None:
    plan = plan_for(
        counting_rows(),
        eval_rows=counting_rows(6),
        LoraConfig={"r": 8, "target_modules": r".*\.(mlp\.\w+|[qv])_proj"},
        TrainingArguments={
            "learning_rate": 5e-3,
            "per_device_train_batch_size": 8,
            "num_train_epochs": 3,
            "eval_strategy": "epoch",
            "load_best_model_at_end": True,
        },
    )
    heard = Heard()

    result = await pool.run(plan, scratch, heard, stop=asyncio.Event())

    assert heard.first(Started).target_modules == 4 * 5
    evaluations = heard.all(Evaluated)
    assert [each.step for each in evaluations] == [3, 6, 9, 9]
    assert [each.base_loss is None for each in evaluations] == [True, True, True, False]
    final = evaluations[-1]
    assert final.base_loss is not None
    assert final.loss < 0.8 * final.base_loss
    assert final.loss == min(each.loss for each in evaluations)
    assert final.token_accuracy is not None
    assert len(final.samples) == plan.samples
    assert any(sample.adapter != sample.base for sample in final.samples)
    assert result.finished is not None
    assert result.finished.metrics["base_loss"] == final.base_loss
