"""How fast a dataset is checked, tokenised and packed, beside the tokenizer alone on the same texts.

python bench/preflight.py [--rows 100000]

Rows are conversations of about 200 tokens. Ours is the whole process that a trainer starts: read, check every row,
apply the chat template, tokenise, label, shuffle, split, pack, write. The peer only renders and encodes, in batches of
1,000, and keeps nothing. CPU seconds are printed beside the clock's, for a machine that others use too.
"""

import argparse
import asyncio
import json
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

from tokenizers import Tokenizer

from schemas.config import DatasetConfig
from services.trainer.children.child_process import Forkserver
from services.trainer.children.pool import TO_CHECK
from services.trainer.dataset.preflight import run_check
from services.trainer.dataset.request import CheckRequest, DataFile, Rules

TINY = Path(__file__).parents[1] / "examples" / "tiny"
WORDS = [
    "the",
    "a",
    "of",
    "to",
    "in",
    "is",
    "it",
    "for",
    "on",
    "with",
    "as",
    "return",
    "value",
    "object",
    "string",
    "list",
    "number",
    "function",
    "class",
    "module",
    "file",
    "data",
    "key",
    "name",
    "type",
    "error",
    "call",
    "set",
    "get",
    "index",
    "item",
    "self",
    "path",
    "line",
    "read",
    "write",
    "code",
    "byte",
    "text",
    "first",
    "last",
    "given",
    "default",
]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="lorabus-bench-") as folder:
        file = Path(folder) / "rows.jsonl"
        write_rows(file, rows)
        ours(file, rows, Path(folder))
        peer(file, rows)
    return 0


def write_rows(path: Path, rows: int) -> None:
    """The same rows in every run."""
    chance = random.Random(1)
    with path.open("w") as file:
        for _ in range(rows):
            question = " ".join(chance.choices(WORDS, k=chance.randint(20, 70)))
            answer = " ".join(chance.choices(WORDS, k=chance.randint(60, 240)))
            turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            file.write(json.dumps({"messages": turns}) + "\n")


def ours(file: Path, rows: int, folder: Path) -> None:
    out = folder / "out"
    out.mkdir()
    rules = Rules(dataset=DatasetConfig(train_test_split=0.9), max_length=1024, packing=True)
    files = [DataFile(name=file.name, path=file)]
    request = CheckRequest(files=files, model_folder=TINY, rules=rules, out=out)
    began, spent = time.perf_counter(), child_seconds()
    checks = Forkserver(TO_CHECK)
    checks.start()
    try:
        result = asyncio.run(run_check(request, folder, checks))
    finally:
        # Its children's processor time is told once it has ended.
        checks.close()
    clock, cpu = time.perf_counter() - began, child_seconds() - spent
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    tell("lorabus: checked, tokenised, packed", rows, result.tokens.total, clock, cpu)
    print(f"  {result.packs:,} packs, at most {peak:,.0f} MiB of memory, p50 {result.tokens.p50} tokens a row")


def peer(file: Path, rows: int) -> None:
    tokenizer = Tokenizer.from_file(str(TINY / "tokenizer.json"))
    began, spent, tokens, batch = time.perf_counter(), time.process_time(), 0, []
    with file.open() as lines:
        for line in lines:
            question, answer = (turn["content"] for turn in json.loads(line)["messages"])
            batch.append(f"<|begin|><|user|>{question}<|end|><|assistant|>{answer}<|end|>")
            if len(batch) == 1000:
                tokens += encoded(tokenizer, batch)
                batch.clear()
    tokens += encoded(tokenizer, batch)
    tell("the tokenizer alone", rows, tokens, time.perf_counter() - began, time.process_time() - spent)


def encoded(tokenizer: Tokenizer, batch: list[str]) -> int:
    return sum(len(encoding.ids) for encoding in tokenizer.encode_batch(batch, add_special_tokens=False))


def child_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def tell(name: str, rows: int, tokens: int, clock: float, cpu: float) -> None:
    print(f"{name:38} {clock:6.1f} s ({cpu:.1f} s of CPU), {rows / clock:,.0f} rows/s, {tokens / clock:,.0f} tokens/s")


if __name__ == "__main__":
    sys.exit(main())
