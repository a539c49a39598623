"""A training that is stopped, killed or cancelled goes on as if nothing had happened.

Compared are the bytes of the final adapter: on the same machine the resumed training is the very same training.
"""

import asyncio
import random
import shutil
from pathlib import Path
from time import monotonic

import pytest

from services.trainer.children.messages import CheckpointReady, ChildMessage, Progress, Started
from services.trainer.children.pool import TrainerPool
from services.trainer.planning.plan import TrainPlan
from services.trainer.training.beside import HISTORY

from .conftest import Heard, MakePlan, counting_rows

# Dropout draws random numbers, a falling rate needs the scheduler, momentum the optimizer, epochs of three the order.
SETTINGS = {
    "learning_rate": 3e-3,
    "lr_scheduler_type": "cosine",
    "per_device_train_batch_size": 8,
    "num_train_epochs": 4,
    "save_strategy": "steps",
    "save_steps": 1,
}


class Killed(Exception):
    pass


def a_plan(plan_for: MakePlan, **more: object) -> TrainPlan:
    return plan_for(
        counting_rows(),
        LoraConfig={"r": 4, "lora_dropout": 0.2},
        TrainingArguments={**SETTINGS, **more},
    ).model_copy(update={"samples": 0})


async def adapter_of(pool: TrainerPool, plan: TrainPlan, scratch: Path) -> bytes:
    scratch.mkdir(exist_ok=True)
    result = await pool.run(plan, scratch, Taking(scratch), stop=asyncio.Event())
    assert result.finished is not None
    left = ("adapter_model.safetensors", HISTORY)
    return b"".join([(result.adapter_folder / name).read_bytes() for name in left])


class Taking(Heard):
    """Takes checkpoints away as the trainer does, and may kill the child after a number of them."""

    def __init__(self, folder: Path, kill_after: int | None = None) -> None:
        super().__init__()
        self.folder, self.kill_after = folder, kill_after
        self.taken: list[Path] = []

    async def __call__(self, message: ChildMessage) -> None:
        await super().__call__(message)
        if isinstance(message, CheckpointReady):
            taken = self.folder / "taken" / Path(message.folder).name
            shutil.move(message.folder, taken)
            self.taken.append(taken)
            if len(self.taken) == self.kill_after:
                raise Killed


@pytest.mark.parametrize("seed", range(2))
async def test_a_killed_training_goes_on_from_its_checkpoint_to_the_same_adapter(
    pool: TrainerPool, tmp_path: Path, plan_for: MakePlan, seed: int
) -> None:
    plan = a_plan(plan_for)
    whole = await adapter_of(pool, plan, tmp_path / "whole")
    (tmp_path / "killed").mkdir()
    taking = Taking(tmp_path / "killed", kill_after=random.Random(seed).randint(1, 6))

    with pytest.raises(Killed):
        await pool.run(plan, tmp_path / "killed", taking, stop=asyncio.Event())

    resumed = plan.model_copy(update={"resume_folder": str(taking.taken[-1])})
    assert resumed.digest == plan.digest
    assert await adapter_of(pool, resumed, tmp_path / "resumed") == whole


async def test_asked_to_stop_it_saves_the_last_complete_step_and_says_so_when_it_goes_on(
    pool: TrainerPool, tmp_path: Path, plan_for: MakePlan
) -> None:
    plan = a_plan(plan_for, save_strategy="no", num_train_epochs=400)
    stop = asyncio.Event()
    (tmp_path / "stopped").mkdir()

    class Stopping(Taking):
        async def __call__(self, message: ChildMessage) -> None:
            await super().__call__(message)
            if isinstance(message, Progress):
                stop.set()

    stopping = Stopping(tmp_path / "stopped")
    asked = monotonic()
    result = await pool.run(plan, tmp_path / "stopped", stopping, stop=stop)

    assert result.finished is None
    assert monotonic() - asked < 60
    assert [int(folder.name.removeprefix("checkpoint-")) for folder in stopping.taken] == [result.step]
    assert 1 <= result.step < plan.total_steps
    shorter = plan.model_copy(update={"resume_folder": str(stopping.taken[0]), "total_steps": result.step + 2})
    again = Heard()
    (tmp_path / "again").mkdir()
    await pool.run(shorter, tmp_path / "again", again, stop=asyncio.Event())
    assert again.first(Started).resumed_from_step == result.step
    assert next(told.step for told in again.all(Progress) if told.loss) == result.step + 1
