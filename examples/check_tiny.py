"""Does the demo keep its promise? Tune `tiny` on the taught rows with plain TRL and PEFT, and count right answers.

    python -m examples.check_tiny --seeds 42 43 44

It takes the hyperparameters from tune-python-docs.yaml. An answer is right when it is the row's answer, a single
sentence, word for word. Rows that the base model answers right already do not count.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from examples import python_docs

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # See make_tiny.py.

import torch
from datasets import Dataset
from peft import LoraConfig
from rich.console import Console
from rich.table import Table
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Result:
    layout: str
    seed: int
    seconds: float
    loss: float
    asked: int
    right: int


def hyperparameters(workspace: Path) -> dict[str, Any]:
    """The sections of training_config.yaml in the file's ConfigMap."""
    config_map = next(one for one in yaml.safe_load_all(workspace.read_text()) if one["kind"] == "ConfigMap")
    sections: dict[str, Any] = yaml.safe_load(config_map["data"]["training_config.yaml"])["training_config"]
    return sections


def answer(model: Any, tokenizer: Any, question: str, layout: str) -> str:
    """The greedy answer, asked in the layout that was taught: as a chat turn, or as plain text to go on from."""
    if layout == "messages":
        turn = [{"role": "user", "content": question}]
        inputs = tokenizer.apply_chat_template(turn, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    else:
        inputs = tokenizer(question, return_tensors="pt")
    with torch.inference_mode():
        output = model.generate(**inputs, do_sample=False, max_new_tokens=64)
    text: str = tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return text.strip()


def tune(folder: Path, rows: list[python_docs.Row], layout: str, seed: int, sections: dict[str, Any]) -> Result:
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
    asked = [row for row in rows if answer(model, tokenizer, row.prompt, layout) != row.completion]
    shaped = [row.as_messages() if layout == "messages" else row.as_prompt() for row in rows]
    with tempfile.TemporaryDirectory() as scratch:
        wanted = sections["TrainingArguments"] | {"output_dir": scratch, "seed": seed}
        arguments = SFTConfig(
            **wanted, use_cpu=True, report_to="none", disable_tqdm=True, assistant_only_loss=layout == "messages"
        )
        trainer = SFTTrainer(
            model=model,
            args=arguments,
            processing_class=tokenizer,
            train_dataset=Dataset.from_list(shaped).shuffle(seed=sections["DatasetConfig"]["shuffle_seed"]),
            peft_config=LoraConfig(task_type="CAUSAL_LM", **sections["LoraConfig"]),
        )
        started = time.monotonic()
        trainer.train()
        seconds = time.monotonic() - started
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    tuned = trainer.model.eval()
    right = sum(answer(tuned, tokenizer, row.prompt, layout) == row.completion for row in asked)
    return Result(layout, seed, seconds, losses[-1], len(asked), right)


def main() -> None:
    example = "example: python -m examples.check_tiny --layouts prompt --seeds 42 43 44"
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0], epilog=example)
    parser.add_argument("--model", type=Path, default=HERE / "tiny")
    parser.add_argument("--workspace", type=Path, default=HERE / "tune-python-docs.yaml")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43, 44])
    parser.add_argument("--layouts", nargs="+", choices=("prompt", "messages"), default=["prompt", "messages"])
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    rows = python_docs.split(python_docs.rows_apart()).taught
    sections = hyperparameters(chosen.workspace)
    table = Table("layout", "seed", "seconds", "last loss", "wrong by the base", "of these right with the adapter")
    for layout in chosen.layouts:
        for seed in chosen.seeds:
            done = tune(chosen.model, rows, layout, seed, sections)
            asked = f"{done.asked} of {len(rows)}"
            table.add_row(layout, str(seed), f"{done.seconds:.1f}", f"{done.loss:.3f}", asked, str(done.right))
    Console().print(table)


if __name__ == "__main__":
    main()
