"""A training that does not get the memory it wants: tried once more in half of it, then ended with what to change."""

import asyncio
from pathlib import Path

import pytest

from schemas.failures import Reason
from services.common.errors import UserError
from services.trainer.children.messages import Progress
from services.trainer.children.pool import TrainerPool
from services.trainer.planning.plan import TrainPlan

from .conftest import Heard, MakePlan
from .test_architectures import random_model

MIB = 1 << 20


def a_plan(plan_for: MakePlan, model: Path) -> TrainPlan:
    """One step is one pass of 16,384 tokens, if it may."""
    rows = [([1, 4], [3 + (n * step) % 2000 for step in range(1, 127)]) for n in range(128)]
    training = {"per_device_train_batch_size": 128, "max_steps": 2, "learning_rate": 1e-2}
    plan = plan_for(rows, model=random_model("llama", model), TrainingArguments=training)
    return plan.model_copy(update={"samples": 0, "tokens_per_pass": 16384})


async def test_the_same_is_learned_in_half_the_memory_and_told(
    pool: TrainerPool, tmp_path: Path, plan_for: MakePlan
) -> None:
    plan = a_plan(plan_for, tmp_path / "model")
    heard = {}
    for limit in (800 * MIB, None):  # The comparison at the end does not fit at first, either.
        heard[limit] = Heard()
        scratch = tmp_path / f"scratch-{limit}"
        scratch.mkdir()
        limited = plan.model_copy(update={"memory_limit": limit})
        result = await pool.run(limited, scratch, heard[limit], stop=asyncio.Event())
        assert result.finished is not None
    short, plenty = (one.all(Progress) for one in heard.values())
    # A slow machine is told that the first step goes on, and then the note comes with that, before any loss.
    assert "out of memory in step 1 with 16384 tokens" in next(told.notes[0] for told in short if told.notes)
    assert not any(told.notes for told in plenty)
    losses = [{told.step: told.loss for told in one if told.loss} for one in (short, plenty)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


async def test_too_little_memory_for_anything_says_what_was_expected_and_what_to_change(
    pool: TrainerPool, scratch: Path, tmp_path: Path, plan_for: MakePlan
) -> None:
    plan = a_plan(plan_for, tmp_path / "model").model_copy(update={"memory_limit": 1})
    with pytest.raises(UserError, match=r"the estimate was 0\.\d GiB to .*gradient_checkpointing: true") as failed:
        await pool.run(plan, scratch, Heard(), stop=asyncio.Event())
    assert failed.value.reason is Reason.OUT_OF_MEMORY
