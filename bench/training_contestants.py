"""Who trains in `bench/training.py`: each takes a folder with `model` and `tokens`, and tells what it took."""

import asyncio
import json
import resource
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from schemas.config import TrainingConfig
from schemas.presets import Preset, find_preset
from schemas.workspace import InputSpec, ModelRef, OutputSpec, ResolvedSpec
from services.trainer.children.messages import ChildMessage, Progress
from services.trainer.children.pool import TrainerPool
from services.trainer.dataset.packs import PACKS, write_packs
from services.trainer.dataset.tokens import TRAIN, Tokens
from services.trainer.planning.hardware import Hardware
from services.trainer.planning.memory import model_facts
from services.trainer.planning.packing import pack
from services.trainer.planning.plan import DataFacts, Folders, TrainPlan, make_plan

PACK = 1024
RANK, RATE = 8, 2e-4
Result = dict[str, float]


def _kaito(folder: Path, threads: int, *, half: bool = False) -> Result:
    from transformers import DataCollatorForLanguageModeling, TrainerCallback  # noqa: PLC0415 - only some contestants need it.

    class Emptying(TrainerCallback):  # type: ignore[misc]
        """KAITO empties the device's cache at every step; without a GPU there is nothing to empty."""

    return _trl(
        folder,
        threads,
        collator=lambda tokenizer: DataCollatorForLanguageModeling(tokenizer, mlm=False),
        callbacks=[Emptying()],
        half=half,
        labels=False,
        per_device_train_batch_size=1,
        dataset_kwargs={"skip_prepare_dataset": True},
    )


def _trl(
    folder: Path,
    threads: int,
    *,
    collator: Callable[[Any], Any] | None = None,
    callbacks: list[Any] | None = None,
    half: bool = False,
    labels: bool = True,
    **arguments: Any,
) -> Result:
    """TRL's trainer on the same tokens; `half`: weights in bfloat16 and TRL's own bf16 on top, as by default."""
    import torch  # noqa: PLC0415 - only some contestants need it.
    from datasets import Dataset  # noqa: PLC0415 - only some contestants need it.
    from peft import LoraConfig, get_peft_model  # noqa: PLC0415 - only some contestants need it.
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415 - only some contestants need it.
    from trl import SFTConfig, SFTTrainer  # noqa: PLC0415 - only some contestants need it.

    torch.set_num_threads(threads)
    dtype = torch.bfloat16 if half else torch.float32
    model = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=dtype)
    model.config.use_cache = False
    model = get_peft_model(model, LoraConfig(r=RANK, lora_alpha=RANK, target_modules="all-linear"))
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    tokens = Tokens(folder / "tokens" / TRAIN)
    columns: dict[str, list[list[int]]] = {"input_ids": [tokens.row(row)[0].tolist() for row in range(len(tokens))]}
    if labels:
        columns["labels"] = [tokens.row(row)[1].tolist() for row in range(len(tokens))]
    clock = _clock()
    settings = SFTConfig(
        output_dir=str(folder / "out"),
        num_train_epochs=1,
        learning_rate=RATE,
        max_length=PACK,
        bf16=half,
        use_cpu=True,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        **arguments,
    )
    trainer = SFTTrainer(
        model=model,
        args=settings,
        train_dataset=Dataset.from_dict(columns),
        processing_class=tokenizer,
        data_collator=collator(tokenizer) if collator else None,
        callbacks=[clock, *(callbacks or [])],
    )
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        **clock.figures(),
        "tokens": int(tokens.lengths.sum()),
        "peak_bytes": peak,
        "loss": losses[-1] if losses else 0.0,
    }


def _clock() -> Any:
    from transformers import TrainerCallback  # noqa: PLC0415 - only some contestants need it.

    class Clock(TrainerCallback):  # type: ignore[misc]
        """From the first step's begin to the last one's end; first_step is counted from the making of this."""

        def __init__(self) -> None:
            self.made, self.first = time.perf_counter(), 0.0
            self.begun = self.ended = (0.0, 0.0)

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            self.begun = (time.perf_counter(), time.process_time())

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.ended = (time.perf_counter(), time.process_time())
            self.first = self.first or self.ended[0] - self.made

        def figures(self) -> Result:
            seconds, work = (end - begin for end, begin in zip(self.ended, self.begun, strict=True))
            return {"seconds": seconds, "cpu_seconds": work, "first_step": self.first}

    return Clock()


def _lorabus(folder: Path, threads: int, *, packing: bool = False) -> Result:
    return asyncio.run(_through_the_pool(_plan(folder, threads, packing=packing), folder))


async def _through_the_pool(plan: TrainPlan, folder: Path) -> Result:
    """Through the trainer's own door; first_step is counted from the claim of a warm trainer on."""
    pool = TrainerPool(cpu_threads=plan.threads)
    pool.start()
    said: list[tuple[float, Progress]] = []

    async def on_message(message: ChildMessage) -> None:
        if isinstance(message, Progress):
            said.append((time.perf_counter(), message))

    try:
        for number, each in enumerate((plan.model_copy(update={"total_steps": 1}), plan)):
            said.clear()
            scratch = folder / f"scratch-{number}"
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir()
            begun = time.perf_counter()
            result = await pool.run(each, scratch, on_message, stop=asyncio.Event())
    finally:
        pool.close()
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
    config = TrainingConfig.model_validate(
        {
            "LoraConfig": {"r": RANK, "lora_alpha": RANK, "target_modules": "all-linear"},
            "TrainingArguments": {
                "per_device_train_batch_size": 1,
                "num_train_epochs": 1,
                "save_strategy": "no",
                "learning_rate": RATE,
                "max_length": PACK,
                "packing": packing,
            },
        }
    )
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
    spec = ResolvedSpec(
        namespace="bench",
        name="training",
        preset="tiny",
        model=ModelRef(repository="lorabus/tiny", revision="1"),
        method="lora",
        input=InputSpec(kind="urls"),
        output=OutputSpec(kind="volume"),
        config=config,
        output_dir="/mnt/output",
    )
    preset = find_preset("tiny")
    assert isinstance(preset, Preset)
    weights = (folder / "model" / "model.safetensors").stat().st_size
    model = model_facts(json.loads((folder / "model" / "config.json").read_text()), weights)
    hardware = Hardware(cores=threads, memory_bytes=8 << 30)
    folders = Folders(model=str(folder / "model"), tokens=str(folder / "tokens"))
    plan = make_plan(spec, preset, facts, model, hardware, folders, job_id="bench", cpu_threads=threads)
    return plan.model_copy(update={"samples": 0})


CONTESTANTS: dict[str, Callable[[Path, int], Result]] = {
    "kaito": _kaito,
    "kaito-bf16": lambda folder, threads: _kaito(folder, threads, half=True),
    "trl": _trl,
    "trl-packed": lambda folder, threads: _trl(
        folder, threads, packing=True, per_device_train_batch_size=1, gradient_checkpointing=False
    ),
    "lorabus": _lorabus,
    "lorabus-packed": lambda folder, threads: _lorabus(folder, threads, packing=True),
}
