"""One fork server for all tests here (its imports take half a minute), small models, and plans for them."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from schemas.config import TrainingConfig
from schemas.presets import Preset, find_preset
from schemas.workspace import InputSpec, ModelRef, OutputSpec, ResolvedSpec
from services.trainer.children.messages import ChildMessage
from services.trainer.children.pool import TrainerPool
from services.trainer.dataset.tokens import EVAL, TRAIN, TokenisedRow, TokenWriter
from services.trainer.planning.hardware import Hardware
from services.trainer.planning.memory import model_facts
from services.trainer.planning.plan import DataFacts, Folders, TrainPlan, make_plan

TINY = Path(__file__).parents[5] / "examples" / "tiny"
HARDWARE = Hardware(cores=2, memory_bytes=8 << 30)
Row = tuple[Sequence[int], Sequence[int]]
MakePlan = Callable[..., TrainPlan]
Message = TypeVar("Message")


@pytest.fixture(scope="session")
def pool() -> Iterator[TrainerPool]:
    pool = TrainerPool(cpu_threads=2, grace_seconds=20)
    pool.start()
    yield pool
    pool.close()


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def plan_for(tmp_path: Path) -> MakePlan:
    """Write rows of (prompt ids, completion ids) and make the plan that the trainer would make for them."""

    def make(
        rows: Sequence[Row],
        *,
        eval_rows: Sequence[Row] = (),
        model: Path = TINY,
        method: str = "lora",
        **sections: dict[str, Any],
    ) -> TrainPlan:
        facts = write_tokens(tmp_path / "tokens", rows, eval_rows)
        config = TrainingConfig.model_validate({**sections})
        preset = find_preset("tiny")
        assert isinstance(preset, Preset)
        spec = ResolvedSpec.model_validate(
            {
                "namespace": "default",
                "name": "test",
                "preset": "tiny",
                "model": ModelRef(repository="lorabus/tiny", revision="1"),
                "method": method,
                "input": InputSpec(kind="urls"),
                "output": OutputSpec(kind="volume"),
                "config": config,
                "output_dir": "/mnt/output",
            }
        )
        weights = sum(path.stat().st_size for path in model.glob("*.safetensors"))
        model_config = json.loads((model / "config.json").read_text())
        folders = Folders(model=str(model), tokens=str(tmp_path / "tokens"))
        return make_plan(
            spec, preset, facts, model_facts(model_config, weights), HARDWARE, folders, job_id="default.test.0"
        )

    return make


def write_tokens(folder: Path, rows: Sequence[Row], eval_rows: Sequence[Row] = ()) -> DataFacts:
    folder.mkdir(exist_ok=True)
    tokenised = write_split(folder / TRAIN, rows)
    if eval_rows:
        write_split(folder / EVAL, eval_rows)
    lengths = [len(row.input_ids) for row in tokenised]
    return DataFacts(
        digest="sha256:0",
        rows=len(rows),
        eval_rows=len(eval_rows),
        tokens=sum(lengths),
        trained_tokens=sum(row.trained for row in tokenised),
        longest=max(lengths),
    )


def write_split(path: Path, rows: Sequence[Row]) -> list[TokenisedRow]:
    tokenised = [
        TokenisedRow([*prompt, *completion], [-100] * len(prompt) + list(completion), number)
        for number, (prompt, completion) in enumerate(rows)
    ]
    with TokenWriter(path) as writer:
        for row in tokenised:
            writer.add(row)
    return tokenised


def counting_rows(count: int = 24) -> list[Row]:
    """Rows that are easy to learn: after a number come the ones that follow it."""
    return [([1, 4, 300 + n], [300 + n + step for step in range(1, 9)] + [2]) for n in range(count)]


class Heard:
    """Keeps what a child says."""

    def __init__(self) -> None:
        self.messages: list[ChildMessage] = []

    async def __call__(self, message: ChildMessage) -> None:
        self.messages.append(message)

    def all(self, kind: type[Message]) -> list[Message]:
        return [message for message in self.messages if isinstance(message, kind)]

    def first(self, kind: type[Message]) -> Message:
        return self.all(kind)[0]
