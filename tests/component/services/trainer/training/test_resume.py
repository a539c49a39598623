"""A training that is stopped, killed or cancelled goes on as if nothing had happened.

Compared are the bytes of the final adapter: on the same machine the resumed training is the very same training.
"""

import asyncio
import json
import random
import shutil
from pathlib import Path
from time import monotonic

import psutil
import pytest

from services.common.errors import WorldError
from services.trainer.children.messages import CheckpointReady, ChildMessage, Progress, Started
from services.trainer.children.pool import TrainerPool
from services.trainer.planning.plan import TrainPlan
from services.trainer.training.beside import HISTORY

from .conftest import TINY, Heard, MakePlan, counting_rows
from .test_architectures import random_model

# Dropout draws random numbers, a falling rate needs the scheduler, momentum the optimizer, epochs of three the order.
SETTINGS = {
    "learning_rate": 3e-3,
    "lr_scheduler_type": "cosine",
    "per_device_train_batch_size": 8,
    "num_train_epochs": 4,
    "save_strategy": "steps",
    "save_steps": 1,
}


KILLS = 20


def a_plan(plan_for: MakePlan, *, model: Path = TINY, **more: object) -> TrainPlan:
    return plan_for(
        counting_rows(),
        model=model,
        LoraConfig={"r": 4, "lora_dropout": 0.2},
        TrainingArguments={**SETTINGS, **more},
    ).model_copy(update={"samples": 0, "threads": 1})


class Taking(Heard):
    """Takes checkpoints away as the trainer does."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.folder.mkdir()
        self.taken: list[Path] = []

    async def __call__(self, message: ChildMessage) -> None:
        await super().__call__(message)
        if isinstance(message, CheckpointReady):
            taken = self.folder / "taken" / Path(message.folder).name
            shutil.move(message.folder, taken)
            self.taken.append(taken)


class Killing(Taking):
    """Kills the child some time after one of its first checkpoints: in a step, while it saves, or between."""

    def __init__(self, folder: Path, pool: TrainerPool, chance: random.Random) -> None:
        super().__init__(folder)
        self._pool, self._after, self._wait = pool, chance.randint(1, 2), chance.uniform(0, 0.03)

    async def __call__(self, message: ChildMessage) -> None:
        await super().__call__(message)
        if len(self.taken) == self._after:
            self._after = 0
            asyncio.get_running_loop().call_later(self._wait, self._kill)

    def _kill(self) -> None:
        for child in psutil.Process(self._pool.pid).children():
            child.kill()


async def test_killed_at_twenty_random_moments_it_is_the_very_same_training(
    pool: TrainerPool, tmp_path: Path, plan_for: MakePlan
) -> None:
    """Same losses step by step, to the last digit, and the same adapter byte by byte."""
    plan = a_plan(plan_for, model=random_model("llama", tmp_path / "model"), num_train_epochs=80, save_steps=4)
    whole = await pool.run(plan, tmp_path / "whole", Taking(tmp_path / "whole"), stop=asyncio.Event())
    left = plan
    for seed in range(KILLS):
        killing = Killing(tmp_path / str(seed), pool, random.Random(seed))
        with pytest.raises(WorldError, match="SIGKILL"):
            await pool.run(left, killing.folder, killing, stop=asyncio.Event())
        left = plan.model_copy(update={"resume_folder": str(killing.taken[-1])})
        assert left.digest == plan.digest
    last = await pool.run(left, tmp_path / "last", Taking(tmp_path / "last"), stop=asyncio.Event())

    losses = json.loads((whole.adapter_folder / HISTORY).read_text())["losses"]
    assert [step for step, _ in losses] == list(range(1, plan.total_steps + 1))
    for name in (HISTORY, "adapter_model.safetensors"):
        assert (last.adapter_folder / name).read_bytes() == (whole.adapter_folder / name).read_bytes()


async def test_asked_to_stop_it_saves_the_last_complete_step_and_says_so_when_it_goes_on(
    pool: TrainerPool, tmp_path: Path, plan_for: MakePlan
) -> None:
    plan = a_plan(plan_for, save_strategy="no", num_train_epochs=400)
    stop = asyncio.Event()

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
