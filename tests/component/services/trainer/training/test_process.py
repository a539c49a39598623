"""A training through the trainer's own door: a plan in, messages on the way, an adapter out."""

import asyncio
import json
from pathlib import Path

from safetensors.numpy import load_file

from services.trainer.messages import ChildMessage, Progress, Started
from services.trainer.process import TrainerPool

from .conftest import MakePlan, counting_rows


async def test_a_lora_is_trained_and_its_files_name_the_base_model(
    pool: TrainerPool, scratch: Path, plan_for: MakePlan
) -> None:
    plan = plan_for(
        counting_rows(),
        LoraConfig={"r": 8, "lora_alpha": 16, "target_modules": "all-linear"},
        TrainingArguments={"learning_rate": 5e-3, "per_device_train_batch_size": 8, "num_train_epochs": 6},
    )
    messages: list[ChildMessage] = []

    async def on_message(message: ChildMessage) -> None:
        messages.append(message)

    result = await pool.run(plan, scratch, on_message, stop=asyncio.Event())

    assert result.finished is not None
    assert result.finished.metrics["loss_last"] < 0.5 * result.finished.metrics["loss_first"]
    assert result.finished.trained_tokens == 6 * 24 * 9
    assert isinstance(messages[0], Started)
    assert messages[0].target_modules == 4 * 7
    last = messages[-1]
    assert isinstance(last, Progress)
    assert (last.step, last.total_steps, last.epoch) == (18, 18, 6.0)
    config = json.loads((result.adapter_folder / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == ("lorabus/tiny", "1")
    assert config["task_type"] == "CAUSAL_LM"
    weights = load_file(result.adapter_folder / "adapter_model.safetensors")
    assert len(weights) == 2 * 4 * 7
    assert {path.name for path in result.adapter_folder.iterdir()} == set(result.finished.files)
