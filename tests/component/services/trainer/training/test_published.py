"""Proves that what users get is what was trained: through an image in a real registry, `lorabus pull` and PEFT.

The child tells how well its own model, still in memory, knows rows that it has not seen; the model that is put together
from what was pulled must know them just as well, and give the same logits as one from the files that the child left.
"""

import asyncio
import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from lorabus.pulling import pull
from lorabus.settings import CallerSettings
from services.trainer.children.messages import Evaluated
from services.trainer.children.pool import TrainerPool
from tests.component.services.publisher.harness import make_bench
from tests.component.services.publisher.jobs import to_image, trained_job, write_secret

from .conftest import TINY, Heard, MakePlan, Row, counting_rows


def logits_of(adapter: Path | None, rows: list[Row]) -> list[Any]:
    """For each row, what the base model, with the adapter or without, says about its completion."""
    # Only the process that runs this test shall load torch, not every one that collects it.
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(TINY, dtype=torch.float32)
    model = PeftModel.from_pretrained(base, adapter).eval() if adapter else base.eval()
    with torch.no_grad():
        return [
            model(input_ids=torch.tensor([[*prompt, *completion]])).logits[0, len(prompt) - 1 : -1]
            for prompt, completion in rows
        ]


@pytest.mark.parametrize("start", ["pissa", "olora"])
async def test_a_start_out_of_the_base_weights_leaves_a_plain_adapter(
    pool: TrainerPool, scratch: Path, plan_for: MakePlan, start: str
) -> None:
    """Neither KAITO's inference nor vLLM takes anything out of the base weights before it adds the adapter."""
    import torch
    from torch.nn import functional

    unseen = counting_rows(6)
    plan = plan_for(
        counting_rows(8),
        eval_rows=unseen,
        LoraConfig={"r": 4, "init_lora_weights": start, "use_rslora": True, "rank_pattern": {"q_proj": 2}},
        TrainingArguments={"learning_rate": 1e-2, "max_steps": 2},
    ).model_copy(update={"samples": 0})
    heard = Heard()
    await pool.run(plan, scratch, heard, stop=asyncio.Event())

    told = heard.all(Evaluated)[-1]
    config = json.loads((scratch / "adapter" / "adapter_config.json").read_text())
    assert (config["r"], config["init_lora_weights"], config["rank_pattern"]) == (8, True, {"q_proj": 4})
    targets = torch.tensor([token for _, completion in unseen for token in completion])
    for adapter, loss in ((scratch / "adapter", told.loss), (None, told.base_loss)):
        assert abs(functional.cross_entropy(torch.cat(logits_of(adapter, unseen)), targets).item() - (loss or 0)) < 1e-4


async def test_what_is_pulled_says_what_the_trained_model_said(
    pool: TrainerPool, scratch: Path, plan_for: MakePlan, registry_address: str, tmp_path: Path
) -> None:
    import torch
    from torch.nn import functional

    unseen = counting_rows(6)
    plan = plan_for(
        counting_rows(),
        eval_rows=unseen,
        LoraConfig={"r": 8, "target_modules": "all-linear"},
        TrainingArguments={"learning_rate": 5e-3, "per_device_train_batch_size": 8, "num_train_epochs": 4},
    ).model_copy(update={"samples": 0})
    heard = Heard()
    result = await pool.run(plan, scratch, heard, stop=asyncio.Event())
    assert result.finished is not None

    bench = make_bench(tmp_path / "home", insecure_registries=registry_address)
    write_secret(bench.settings.secrets_dir, registry_address)
    files = {path.name: path.read_bytes() for path in result.adapter_folder.iterdir()}
    reference = f"{registry_address}/trained/{uuid.uuid4().hex[:8]}:v1"
    record = await trained_job(bench.store, to_image(reference), files=files)
    await bench.publisher().publish(record.job_id, 1)
    await pull(reference, tmp_path / "pulled", CallerSettings(home=tmp_path, insecure_registries=(registry_address,)))

    pulled = logits_of(tmp_path / "pulled", unseen)
    assert all(map(torch.equal, pulled, logits_of(result.adapter_folder, unseen)))
    told, logits = heard.all(Evaluated)[-1], torch.cat(pulled)
    targets = torch.tensor([token for _, completion in unseen for token in completion])
    assert abs(functional.cross_entropy(logits, targets).item() - told.loss) < 1e-5
    assert told.base_loss is not None
    assert told.loss < 0.95 * told.base_loss
    assert int((logits.argmax(-1) == targets).sum()) / len(targets) == told.token_accuracy
