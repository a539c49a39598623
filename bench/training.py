"""How fast lorabus trains, beside KAITO's flow and plain TRL: same model, rows, number format, threads, in one run.

    python bench/training.py [--rows 200] [--rounds 2] [--threads 2] [--only NAME ...]

The model is a Llama of 7.3 million random weights, the rows are docstrings of the standard library, rank 8 on all
seven projections. Every contestant is a process of its own that sees every row once. Useful tokens are tokens of rows,
padding not counted. Seconds run from the first step's begin to the last one's end; processor seconds tell the same
where other programs want the cores too.

- kaito: what KAITO's tuning script does, in our words: TRL's SFTTrainer on one padded row a step, activations
  recomputed, loss on every token, float32. kaito-bf16 is the same in bfloat16, KAITO's default.
- trl: TRL with its own defaults (8 padded rows a step, activations recomputed) in float32.
- trl-packed: TRL with packs of 1,024 tokens and nothing recomputed, in float32.
- lorabus: with KAITO's default configuration, one row a step. lorabus-packed: with `packing: true`.
"""

import argparse
import asyncio
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from examples import python_docs
from schemas.config import DatasetConfig, TrainingConfig
from schemas.presets import Preset, find_preset
from schemas.workspace import InputSpec, ModelRef, OutputSpec, ResolvedSpec
from services.trainer.children import scrubbed_environment
from services.trainer.dataset.request import Rules
from services.trainer.dataset.rows import Pair
from services.trainer.hardware import Hardware
from services.trainer.memory import model_facts
from services.trainer.messages import ChildMessage, Progress
from services.trainer.packing import pack
from services.trainer.plan import DataFacts, Folders, TrainPlan, make_plan
from services.trainer.process import TrainerPool
from services.trainer.tokenise import load_encoder
from services.trainer.tokens import TRAIN, TokenisedRow, Tokens, TokenWriter

TINY = Path(__file__).parents[1] / "examples" / "tiny"
PACK = 1024
RANK, RATE = 8, 2e-4
Result = dict[str, float]


def main() -> int:
    options = _options()
    if options.contestant:
        print(json.dumps(CONTESTANTS[options.contestant](options.folder, options.threads)))
        return 0
    with tempfile.TemporaryDirectory(prefix="lorabus-bench-") as name:
        folder = Path(name)
        _prepare(folder, options.rows)
        found: dict[str, list[Result]] = {contestant: [] for contestant in options.only or CONTESTANTS}
        for number in range(options.rounds):
            for contestant, results in found.items():
                print(f"round {number + 1} of {options.rounds}: {contestant}", file=sys.stderr)
                results.append(_run(contestant, folder, options.threads))
    _table(found)
    return 0


def _run(contestant: str, folder: Path, threads: int) -> Result:
    command = [sys.executable, "-m", "bench.training", "--contestant", contestant, "--folder", str(folder)]
    environment = {**scrubbed_environment(os.environ, str(folder)), "PYTHONPATH": str(Path(__file__).parents[1])}
    command += ["--threads", str(threads)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{contestant} failed: {done.stderr[-2000:]}")
    result: Result = json.loads(done.stdout.splitlines()[-1])
    return result


def _table(found: dict[str, list[Result]]) -> None:
    figures: dict[str, Callable[[Result], float]] = {
        "tokens/s": lambda result: result["tokens"] / result["seconds"],
        "tokens/cpu-s": lambda result: result["tokens"] / result["cpu_seconds"],
        "first step s": lambda result: result["first_step"],
        "peak MiB": lambda result: result["peak_bytes"] / 2**20,
        "loss": lambda result: result["loss"],
    }
    middles = {
        name: {title: statistics.median(map(figure, results)) for title, figure in figures.items()}
        for name, results in found.items()
    }
    first = next(iter(middles.values()))
    print(f"{'':16}", *(f"{title:>13}" for title in figures), f"{'x tokens/s':>13} {'x tokens/cpu-s':>15}")
    for name, middle in middles.items():
        times = [middle[title] / first[title] for title in ("tokens/s", "tokens/cpu-s")]
        print(f"{name:16}", *(f"{value:13.2f}" for value in middle.values()), f"{times[0]:13.2f} {times[1]:15.2f}")


def _prepare(folder: Path, count: int) -> None:
    """The base model, and the rows as tokens, for everybody."""
    import torch  # noqa: PLC0415 - only some contestants need it.
    from transformers import LlamaConfig, LlamaForCausalLM  # noqa: PLC0415 - only some contestants need it.

    torch.manual_seed(0)
    sizes = {"hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 8, "num_attention_heads": 8}
    config = LlamaConfig(**sizes, vocab_size=2048, max_position_embeddings=PACK, tie_word_embeddings=True)
    config.bos_token_id, config.eos_token_id, config.pad_token_id = 1, 2, 0
    LlamaForCausalLM(config).save_pretrained(folder / "model")
    for path in TINY.glob("*token*"):
        shutil.copy(path, folder / "model")
    encoder = load_encoder(TINY, Rules(dataset=DatasetConfig(), max_length=PACK))
    texts = [
        Pair(f"What does the documentation of {name} say?", thing.__doc__)
        for name, _, thing in python_docs.objects()
        if isinstance(thing.__doc__, str) and len(thing.__doc__) > 150
    ]
    rows = encoder.encode(random.Random(0).sample(texts, min(len(texts), 2 * count)), range(2 * count))
    fitting = [row for row in rows if isinstance(row, TokenisedRow) and len(row.input_ids) <= PACK][:count]
    (folder / "tokens").mkdir()
    with TokenWriter(folder / "tokens" / TRAIN) as writer:
        for row in fitting:
            writer.add(row)
    lengths = Tokens(folder / "tokens" / TRAIN).lengths
    print(
        f"{len(lengths)} rows, {lengths.sum()} tokens, {lengths.mean():.0f} a row, at most {lengths.max()}",
        file=sys.stderr,
    )


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
    facts = DataFacts(
        digest="bench",
        rows=len(tokens),
        eval_rows=0,
        tokens=int(tokens.lengths.sum()),
        trained_tokens=int(tokens.trained().sum()),
        longest=int(tokens.lengths.max()),
        packs=len(pack(tokens.lengths, PACK)),
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


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS)
    parser.add_argument("--contestant", choices=CONTESTANTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
