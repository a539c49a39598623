"""Two processes train what one would: the same rows a step, gradients exchanged over gloo."""

import asyncio
from pathlib import Path

import numpy as np
import psutil
from safetensors.numpy import load_file

from services.trainer.children.messages import ChildMessage, Progress, Started
from services.trainer.children.pool import TrainerPool
from services.trainer.planning.plan import TrainPlan

from .conftest import Heard, MakePlan, Row


def uneven_rows() -> list[Row]:
    """The last step has one row, so that one of two processes has none."""
    return [([1, 4, 300 + n], [300 + n + step for step in range(1, 3 + n)] + [2]) for n in range(13)]


async def trained(pool: TrainerPool, plan: TrainPlan, scratch: Path) -> tuple[Heard, dict[str, np.ndarray]]:
    scratch.mkdir()
    heard = Heard()
    processes: set[int] = set()

    async def on_message(message: ChildMessage) -> None:
        await heard(message)
        processes.update(child.pid for child in psutil.Process(pool.pid).children(recursive=True))

    result = await pool.run(plan, scratch, on_message, stop=asyncio.Event())
    assert result.finished is not None
    # The same adapter proves nothing unless several processes really made it.
    assert len(processes) == plan.processes
    return heard, load_file(result.adapter_folder / "adapter_model.safetensors")


async def test_two_processes_give_the_adapter_of_one(pool: TrainerPool, tmp_path: Path, plan_for: MakePlan) -> None:
    plan = plan_for(
        uneven_rows(),
        LoraConfig={"r": 4},
        TrainingArguments={"learning_rate": 1e-3, "per_device_train_batch_size": 4, "max_steps": 8, "optim": "sgd"},
    ).model_copy(update={"samples": 0, "use_cpu": True, "threads": 1})
    alone, expected = await trained(pool, plan, tmp_path / "one")
    together, found = await trained(pool, plan.model_copy(update={"processes": 2}), tmp_path / "two")

    assert len(together.all(Started)) == 1
    last, same = together.all(Progress)[-1], alone.all(Progress)[-1]
    assert (last.step, last.tokens) == (same.step, same.tokens)
    assert last.loss is not None
    assert same.loss is not None
    np.testing.assert_allclose(last.loss, same.loss, rtol=1e-5)
    for name, weights in expected.items():
        np.testing.assert_allclose(found[name], weights, rtol=1e-3, atol=1e-7)


async def test_two_processes_stop_together(pool: TrainerPool, scratch: Path, plan_for: MakePlan) -> None:
    plan = plan_for(
        uneven_rows(), TrainingArguments={"per_device_train_batch_size": 4, "max_steps": 100_000}
    ).model_copy(update={"processes": 2, "use_cpu": True, "threads": 1})
    stop = asyncio.Event()

    async def on_message(message: object) -> None:
        if isinstance(message, Progress):
            stop.set()

    result = await pool.run(plan, scratch, on_message, stop=stop)

    assert result.finished is None
    assert result.step >= 1
    assert (scratch / "checkpoints" / f"checkpoint-{result.step}").is_dir()
    assert psutil.Process(pool.pid).children(recursive=True) == []
