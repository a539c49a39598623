"""How fast lorabus trains, beside KAITO's flow and plain TRL: same model, rows, number format, threads, in one run.

    python -m bench.training [--rows 200] [--rounds 2] [--threads 2] [--only NAME ...]

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
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.training_contestants import CONTESTANTS, PACK, Result
from examples import python_docs
from schemas.config import DatasetConfig
from services.trainer.children.child_process import scrubbed_environment
from services.trainer.dataset.request import Rules
from services.trainer.dataset.rows import Pair
from services.trainer.dataset.tokenise import load_encoder
from services.trainer.dataset.tokens import TRAIN, TokenisedRow, Tokens, TokenWriter

TINY = Path(__file__).parents[1] / "examples" / "tiny"


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
