"""Make the `tiny` base model: a byte-level BPE tokenizer and a small Llama, from the standard library's docstrings.

    python -m examples.make_tiny --out examples/tiny

It learns to answer questions on Python's objects from every row of python_docs.py, without the rows that the demo
teaches and those kept for evaluation. The same seed, packages, number of threads and kind of processor give the same
weights.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# OpenMP reads this once, when torch loads it. Threads that spin while they wait for one another are many times slower
# than threads that sleep as soon as anything else runs on the machine.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from examples import python_docs
from examples.tiny_tokenizer import POSITIONS, VOCABULARY, chat, plain, train_tokenizer

Encode = Callable[[str], list[int]]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How long and how fast the model learns."""

    seed: int = 20
    steps: int = 850
    batch: int = 4
    length: int = 256
    plain_share: float = 0.25
    learning_rate: float = 3e-3
    threads: int = 2


@dataclass(frozen=True, slots=True)
class Outcome:
    training_loss: float
    evaluation_loss: float
    seconds: float
    processor_seconds: float
    tokens: int


def new_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=POSITIONS,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        dtype="float32",
    )
    return LlamaForCausalLM(config)


def blocks(rows: list[python_docs.Row], encode: Encode, recipe: Recipe) -> Iterator[list[int]]:
    """Endless blocks of exactly ``length`` tokens: all rows in a new order each time, one behind the other.

    A share of them is plain, so that the model answers whether it is asked in a chat or in plain text. Every block
    begins with a new row, for this is how a question comes later: with nothing before it.
    """
    chance = random.Random(recipe.seed)
    stream: list[int] = []
    while True:
        for row in chance.sample(rows, len(rows)):
            stream += encode(plain(row) if chance.random() < recipe.plain_share else chat(row))
            if len(stream) >= recipe.length:
                yield stream[: recipe.length]
                stream = []


def learning_rate(step: int, recipe: Recipe) -> float:
    """A short warm-up, then a cosine down to a twentieth."""
    warm_up = recipe.steps // 20
    if step < warm_up:
        return recipe.learning_rate * (step + 1) / warm_up
    done = (step - warm_up) / (recipe.steps - warm_up)
    return recipe.learning_rate * (0.05 + 0.95 * (1 + math.cos(math.pi * done)) / 2)


def pretrain(model: LlamaForCausalLM, data: Iterator[list[int]], recipe: Recipe) -> float:
    """Train in place; returns the mean loss of the last twentieth of the steps."""
    matrices = [weight for weight in model.parameters() if weight.ndim > 1]
    vectors = [weight for weight in model.parameters() if weight.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.95))
    losses: list[float] = []
    model.train()
    columns = (TextColumn("pretraining"), BarColumn(), MofNCompleteColumn(), TextColumn("loss {task.fields[loss]:.2f}"))
    with Progress(*columns, TimeRemainingColumn()) as progress:
        task = progress.add_task("pretraining", total=recipe.steps, loss=math.nan)
        for step in range(recipe.steps):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, recipe)
            batch = torch.tensor([next(data) for _ in range(recipe.batch)])
            loss = model(input_ids=batch, labels=batch, use_cache=False).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            losses.append(loss.item())
            progress.update(task, advance=1, loss=losses[-1])
    tail = losses[-max(1, recipe.steps // 20) :]
    return sum(tail) / len(tail)


def evaluate(model: LlamaForCausalLM, rows: list[list[int]]) -> float:
    """The mean loss a token over rows that were held out."""
    model.eval()
    total, count = 0.0, 0
    with torch.inference_mode():
        for row in rows:
            ids = torch.tensor([row])
            total += model(input_ids=ids, labels=ids).loss.item() * (len(row) - 1)
            count += len(row) - 1
    return total / count


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Half precision on disk halves the file; config.json asks for float32, in which the model is meant to run."""
    model.generation_config = GenerationConfig(
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        max_new_tokens=128,
    )
    transformers_logging.disable_progress_bar()
    model.to(torch.float16).save_pretrained(out)
    tokenizer.save_pretrained(out)
    config = out / "config.json"
    config.write_text(config.read_text().replace('"dtype": "float16"', '"dtype": "float32"'))


def make(recipe: Recipe, out: Path) -> Outcome:
    started = time.monotonic()
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    torch.use_deterministic_algorithms(True)
    parts = python_docs.split(python_docs.rows_apart())
    tokenizer = train_tokenizer([chat(row) for row in parts.pretraining])
    model = new_model(tokenizer)
    training_loss = pretrain(model, blocks(parts.pretraining, tokenizer.encode, recipe), recipe)
    evaluation_loss = evaluate(model, [tokenizer.encode(chat(row)) for row in parts.evaluation])
    save(model, tokenizer, out)
    tokens = recipe.steps * recipe.batch * recipe.length
    seconds = time.monotonic() - started
    outcome = Outcome(training_loss, evaluation_loss, seconds, time.process_time(), tokens)
    (out / "README.md").write_text(model_card(recipe, outcome, len(parts.pretraining), model.num_parameters()))
    return outcome


def model_card(recipe: Recipe, outcome: Outcome, rows: int, parameters: int) -> str:
    facts: dict[str, Any] = {
        "made by": f"`python -m examples.make_tiny --seed {recipe.seed} --steps {recipe.steps}`",
        "Python": platform.python_version(),
        "torch": torch.__version__.split("+", maxsplit=1)[0],
        "parameters": f"{parameters:,}",
        "rows": f"{rows:,} (the demo's taught rows and {python_docs.EVALUATION_ROWS} for evaluation held out)",
        "tokens seen": f"{outcome.tokens:,}",
        "loss at the end": f"{outcome.training_loss:.3f}",
        "loss on the evaluation rows": f"{outcome.evaluation_loss:.3f}",
        "time": f"{outcome.seconds:.0f} s on {recipe.threads} threads ({outcome.processor_seconds:.0f} s of processor)",
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in facts.items())
    return f"""# tiny

A Llama small enough to be tuned on two processor cores in half a minute, so that lorabus can show its whole path
with real weights and nothing to download. It was trained on questions and answers made from the docstrings of
Python's standard library, and knows little else: its answers look like documentation and are mostly wrong.

| | |
|---|---|
{table}

The weights are stored in float16 and meant to run in float32, as `config.json` says. The text it learned from is
Python's documentation (PSF License, version 2).
"""


def main() -> None:
    default = Recipe()
    example = "example: python -m examples.make_tiny --out examples/tiny"
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0], epilog=example)
    parser.add_argument("--out", type=Path, default=Path("examples/tiny"), help="folder to write")
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--steps", type=int, default=default.steps)
    parser.add_argument("--threads", type=int, default=default.threads)
    chosen = parser.parse_args()
    outcome = make(Recipe(seed=chosen.seed, steps=chosen.steps, threads=chosen.threads), chosen.out)
    print(json.dumps({"out": str(chosen.out), "loss": outcome.training_loss, "seconds": outcome.seconds}))


if __name__ == "__main__":
    main()
