"""A training that cannot go well says why, in a code that tells its owner's faults from the world's."""

import asyncio
import shutil
from pathlib import Path

import psutil
import pytest

from schemas.failures import Reason
from services.common.errors import UserError, WorldError
from services.trainer.children.messages import ChildMessage, Progress
from services.trainer.children.pool import TrainerPool

from .conftest import TINY, Heard, MakePlan, counting_rows

LONG = {"learning_rate": 1e-3, "per_device_train_batch_size": 8, "max_steps": 100_000}


async def test_modules_that_the_model_does_not_have_are_refused_with_those_that_it_has(
    pool: TrainerPool, scratch: Path, plan_for: MakePlan
) -> None:
    plan = plan_for(counting_rows(), LoraConfig={"target_modules": ["q_porj"]})
    with pytest.raises(UserError, match="did you mean 'q_proj'") as refused:
        await pool.run(plan, scratch, Heard(), stop=asyncio.Event())
    assert refused.value.reason is Reason.TARGET_MODULES_NOT_FOUND


@pytest.mark.parametrize(
    ("lora", "words"),
    [
        (
            {"layers_to_transform": [0, 99]},
            r"layers_to_transform: the model has no layer 99: it has \d+, counted from 0",
        ),
        ({"layers_to_transform": [0], "layers_pattern": "nope"}, "LoraConfig: "),
    ],
    ids=["number", "pattern"],
)
async def test_layers_that_the_model_does_not_have_are_the_users_fault_at_once(
    pool: TrainerPool, scratch: Path, plan_for: MakePlan, lora: dict[str, object], words: str
) -> None:
    plan = plan_for(counting_rows(), LoraConfig={"target_modules": ["q_proj"], **lora})
    with pytest.raises(UserError, match=words) as refused:
        await pool.run(plan, scratch, Heard(), stop=asyncio.Event())
    assert refused.value.reason is Reason.CONFIG_INVALID


async def test_a_rate_too_small_to_change_anything_publishes_nothing(
    pool: TrainerPool, scratch: Path, plan_for: MakePlan
) -> None:
    plan = plan_for(counting_rows(8), TrainingArguments={"learning_rate": 1e-300, "max_steps": 1})
    with pytest.raises(UserError) as failed:
        await pool.run(plan, scratch, Heard(), stop=asyncio.Event())
    assert failed.value.reason is Reason.ADAPTER_UNCHANGED
    assert not (scratch / "adapter").exists()


async def test_a_loss_that_is_no_number_ends_the_training(
    pool: TrainerPool, scratch: Path, tmp_path: Path, plan_for: MakePlan
) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    broken = Path(shutil.copytree(TINY, tmp_path / "broken"))
    weights = load_file(broken / "model.safetensors")
    weights["model.norm.weight"] = torch.full_like(weights["model.norm.weight"], float("nan"))
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    plan = plan_for(counting_rows(), model=broken, TrainingArguments={"max_steps": 2})
    with pytest.raises(UserError, match=r"the loss of step 1 .*learning_rate") as failed:
        await pool.run(plan, scratch, Heard(), stop=asyncio.Event())
    assert failed.value.reason is Reason.TRAINING_DIVERGED


async def test_a_killed_child_is_the_worlds_fault(pool: TrainerPool, scratch: Path, plan_for: MakePlan) -> None:
    async def kill(message: ChildMessage) -> None:
        if isinstance(message, Progress):
            server = psutil.Process(pool.pid)
            for child in server.children():
                child.kill()

    with pytest.raises(WorldError, match="SIGKILL") as failed:
        await pool.run(plan_for(counting_rows(), TrainingArguments=LONG), scratch, kill, stop=asyncio.Event())
    assert failed.value.reason is Reason.WORKER_KILLED


async def test_a_deadline_ends_a_training_that_takes_too_long(
    pool: TrainerPool, scratch: Path, plan_for: MakePlan
) -> None:
    plan = plan_for(counting_rows(), TrainingArguments=LONG)
    with pytest.raises(UserError, match="not done after 2 s") as failed:
        await pool.run(plan, scratch, Heard(), stop=asyncio.Event(), deadline_seconds=2)
    assert failed.value.reason is Reason.DEADLINE_EXCEEDED


async def test_a_trainer_that_is_told_to_stop_waits_for_no_imports(scratch: Path, plan_for: MakePlan) -> None:
    cold = TrainerPool(cpu_threads=2)
    stop = asyncio.Event()
    cold.start()
    asyncio.get_running_loop().call_later(0.2, stop.set)
    async with asyncio.timeout(5):
        result = await cold.run(plan_for(counting_rows(), TrainingArguments=LONG), scratch, Heard(), stop=stop)
        await asyncio.to_thread(cold.close)
    assert (result.finished, result.step) == (None, 0)


async def test_a_child_that_has_not_begun_is_not_waited_for(
    pool: TrainerPool, scratch: Path, plan_for: MakePlan
) -> None:
    stop = asyncio.Event()

    async def stop_when_forked() -> None:
        while not psutil.Process(pool.pid).children():
            await asyncio.sleep(0)
        stop.set()

    stopping = asyncio.create_task(stop_when_forked())
    heard = Heard()
    async with asyncio.timeout(10):
        result = await pool.run(plan_for(counting_rows(), TrainingArguments=LONG), scratch, heard, stop=stop)
    await stopping
    assert (result.finished, result.step, heard.messages) == (None, 0, [])
