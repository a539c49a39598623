"""lorabus in `bench/training.py`: through the trainer's own pool, in a child of its warm fork server."""

import asyncio
import json
import shutil
import time
from pathlib import Path

from bench.specs import spec_of
from bench.training_contestants import PACK, RANK, RATE, Result
from schemas.presets import Preset, find_preset
from schemas.workspace import InputSpec
from services.trainer.children.messages import ChildMessage, Progress
from services.trainer.children.pool import TrainerPool
from services.trainer.dataset.packs import PACKS, write_packs
from services.trainer.dataset.tokens import TRAIN, Tokens
from services.trainer.planning.hardware import Hardware
from services.trainer.planning.memory import model_facts
from services.trainer.planning.packing import pack
from services.trainer.planning.plan import DataFacts, Folders, TrainPlan, make_plan

OURS = ("lorabus", "lorabus-packed")


async def ours(folder: Path, pool: TrainerPool, *, packing: bool) -> Result:
    """first_step is counted from the claim of a warm trainer on."""
    plan = _plan(folder, pool.cpu_threads or 1, packing=packing)
    said: list[tuple[float, Progress]] = []

    async def on_message(message: ChildMessage) -> None:
        if isinstance(message, Progress):
            said.append((time.perf_counter(), message))

    scratch = folder / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    begun = time.perf_counter()
    result = await pool.run(plan, scratch, on_message, stop=asyncio.Event())
    assert result.finished is not None
    metrics = result.finished.metrics
    return {
        "seconds": metrics["train_seconds"],
        "cpu_seconds": metrics["train_cpu_seconds"],
        "tokens": int(Tokens(Path(plan.tokens_folder) / TRAIN).lengths.sum()),
        "first_step": said[0][0] - begun,
        "peak_bytes": max(progress.memory_bytes or 0 for _, progress in said),
        "loss": metrics["loss_last"],
    }


def _plan(folder: Path, threads: int, *, packing: bool) -> TrainPlan:
    tokens = Tokens(folder / "tokens" / TRAIN)
    packs = pack(tokens.lengths, PACK)
    write_packs(packs, folder / "tokens" / PACKS)
    facts = DataFacts(
        digest="bench",
        rows=len(tokens),
        eval_rows=0,
        tokens=int(tokens.lengths.sum()),
        trained_tokens=int(tokens.trained().sum()),
        longest=int(tokens.lengths.max()),
        packs=len(packs),
    )
    spec = spec_of(
        InputSpec(kind="urls"),
        LoraConfig={"r": RANK, "lora_alpha": RANK, "target_modules": "all-linear"},
        TrainingArguments={
            "per_device_train_batch_size": 1,
            "num_train_epochs": 1,
            "save_strategy": "no",
            "learning_rate": RATE,
            "max_length": PACK,
            "packing": packing,
        },
    )
    preset = find_preset("tiny")
    assert isinstance(preset, Preset)
    weights = (folder / "model" / "model.safetensors").stat().st_size
    model = model_facts(json.loads((folder / "model" / "config.json").read_text()), weights)
    hardware = Hardware(cores=threads, memory_bytes=8 << 30)
    folders = Folders(model=str(folder / "model"), tokens=str(folder / "tokens"))
    plan = make_plan(spec, preset, facts, model, hardware, folders, job_id="bench", cpu_threads=threads)
    return plan.model_copy(update={"samples": 0})
