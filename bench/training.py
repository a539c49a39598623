"""How fast lorabus trains, beside KAITO's flow and plain TRL: same model, rows, number format, threads, in one run.

    python -m bench.training [--rows 120] [--rounds 2] [--threads 2] [--only NAME ...] [--avx2]

The model is a Llama of 7.3 million random weights, the rows are docstrings of the standard library, rank 8 on all
seven projections. Every contestant is a process of its own, forked from one that has imported the libraries, and sees
every row once; kaito-bf16, the slow one, sees a sixth of them, for a speed needs no more. Rounds are interleaved.
Useful tokens are tokens of rows, padding not counted. Seconds run from the first step's begin to the last one's end;
processor seconds tell the same where other programs want the cores too. About five minutes. With --avx2 PyTorch,
oneDNN and MKL use no instruction that processors before AVX-512 lack, for all contestants alike: so do most CPUs,
which have no units for bfloat16.

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
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.training_contestants import PACK, TRL, Result
from bench.training_ours import OURS, ours
from examples import python_docs
from schemas.config import DatasetConfig
from services.trainer.children.child_process import Forkserver
from services.trainer.children.confinement import Confinement
from services.trainer.children.pool import TO_TRAIN, TrainerPool
from services.trainer.dataset.packs import PACKS, write_packs
from services.trainer.dataset.request import Rules
from services.trainer.dataset.rows import Pair
from services.trainer.dataset.tokenise import load_encoder
from services.trainer.dataset.tokens import TRAIN, TokenisedRow, Tokens, TokenWriter
from services.trainer.planning.packing import pack

CONTESTANTS = (*TRL, *OURS)
PEERS = "bench.training_contestants"
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
TINY = Path(__file__).parents[1] / "examples" / "tiny"


def main() -> int:
    options = _options()
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
    os.environ.update(AVX2 if options.avx2 else {})
    with tempfile.TemporaryDirectory(prefix="lorabus-bench-") as name:
        found = asyncio.run(_rounds(options, Path(name)))
    _table(found)
    return 0


async def _rounds(options: argparse.Namespace, folder: Path) -> dict[str, list[Result]]:
    pool, peers = TrainerPool(cpu_threads=options.threads), Forkserver((*TO_TRAIN, PEERS))
    peers.start()
    pool.start()
    try:
        await asyncio.to_thread(_prepare, folder, options.rows)
        await peers.ready()
        await pool.warm()
        found: dict[str, list[Result]] = {contestant: [] for contestant in options.only or CONTESTANTS}
        for number in range(options.rounds):
            for contestant, results in found.items():
                print(f"round {number + 1} of {options.rounds}: {contestant}", file=sys.stderr)
                if contestant in OURS:
                    results.append(await ours(folder, pool, packing=contestant == "lorabus-packed"))
                else:
                    results.append(await _peer(contestant, folder, peers, options.threads))
        return found
    finally:
        peers.close()
        pool.close()


async def _peer(contestant: str, folder: Path, peers: Forkserver, threads: int) -> Result:
    arguments = {"contestant": contestant, "folder": str(folder), "threads": threads}
    log = folder / f"{contestant}.log"
    output, status = await peers.ask(f"{PEERS}:run", arguments, log, Confinement(writable=(str(folder),)))
    if status:
        raise SystemExit(f"{contestant} failed: {log.read_text()[-2000:]}")
    result: Result = json.loads(output)
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
    write_packs(pack(lengths, PACK), folder / "tokens" / PACKS)
    print(
        f"{len(lengths)} rows, {lengths.sum()} tokens, {lengths.mean():.0f} a row, at most {lengths.max()}",
        file=sys.stderr,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS)
    parser.add_argument("--avx2", action="store_true", help="as on a CPU without AVX-512")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
