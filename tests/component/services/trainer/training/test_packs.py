"""The child trains on the packs that it is given, and computes none of its own."""

import asyncio
from pathlib import Path

import pytest

from schemas.failures import Reason
from services.common.errors import WorldError
from services.trainer.children.pool import TrainerPool
from services.trainer.dataset.packs import PACKS, write_packs

from .conftest import Heard, MakePlan, counting_rows


async def test_the_stored_packs_are_the_ones_trained_on(pool: TrainerPool, scratch: Path, plan_for: MakePlan) -> None:
    """These packs hold rows 2 to 5 only: whoever packs anew would train on all six rows."""
    arguments = {"packing": True, "max_length": 64, "per_device_train_batch_size": 1, "num_train_epochs": 1}
    plan = plan_for(counting_rows(6), TrainingArguments=arguments)
    write_packs([[2, 4], [3, 5]], Path(plan.tokens_folder) / PACKS)
    plan = plan.model_copy(update={"total_steps": 2, "steps_per_epoch": 2})

    result = await pool.run(plan, scratch, Heard(), stop=asyncio.Event())

    assert result.finished is not None
    assert result.finished.trained_tokens == 4 * 9


async def test_packs_that_are_missing_end_the_attempt(pool: TrainerPool, scratch: Path, plan_for: MakePlan) -> None:
    plan = plan_for(counting_rows(6), TrainingArguments={"packing": True, "max_length": 64})
    with pytest.raises(WorldError, match=PACKS) as caught:
        await pool.run(plan, scratch, Heard(), stop=asyncio.Event())
    assert caught.value.reason is Reason.INTERNAL
