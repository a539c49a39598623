"""What each training setting does to work, memory and result: one change at a time, through the trainer's own path.

    python -m bench.settings [--rows 400] [--threads 2] [--only NAME ...] [--write]

The model is `tiny`; the rows are docstrings of the standard library that have to come out as JSON, which `tiny` has
never written, so that an adapter has something to learn. Four fifths are trained on, the rest is only evaluated. Each
line is admission, check, plan and a training in a child process of its own. Processor seconds are counted from the
first step on; memory is the most that the child held by its last step. `--write` puts the table and the plot into
docs/settings.md.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from bench.settings_table import DOCUMENT, Line, put_into, table
from bench.settings_variants import BASE, VARIANTS, Sections, merged
from examples import python_docs
from lorabus.checking import resolve
from services.trainer.base_model import preset_of, read_model_facts
from services.trainer.children.messages import ChildMessage, Progress
from services.trainer.children.pool import TrainerPool
from services.trainer.dataset.preflight import data_facts, rules_of, run_check
from services.trainer.dataset.request import CheckRequest, DataFile
from services.trainer.dataset.settings import DatasetSettings
from services.trainer.planning.hardware import detect
from services.trainer.planning.plan import Folders, TrainPlan, make_plan

TINY = Path(__file__).parents[1] / "examples" / "tiny"


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="lorabus-bench-") as name:
        lines = asyncio.run(_measure(options, Path(name)))
    text = table(lines)
    print(text)
    if options.write:
        DOCUMENT.write_text(put_into(DOCUMENT.read_text(), text))
    return 0


async def _measure(options: argparse.Namespace, folder: Path) -> list[Line]:
    rows = folder / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in _rows(options.rows)))
    pool = TrainerPool(cpu_threads=options.threads)
    pool.start()
    try:
        lines = []
        for name in ["base", *(options.only or VARIANTS)]:
            print(f"bench.settings: {name}", file=sys.stderr)
            lines.append(await _run(pool, name, rows, folder / "run"))
        return lines
    finally:
        pool.close()


def _rows(count: int) -> list[dict[str, str]]:
    return [
        {"prompt": row.prompt, "completion": json.dumps({"object": row.name, "says": row.completion})}
        for row in python_docs.rows_apart()[:count]
    ]


async def _run(pool: TrainerPool, name: str, rows: Path, folder: Path) -> Line:
    folder.mkdir()
    try:
        plan, trained_on = await _plan(merged(BASE, VARIANTS.get(name, {})), rows, folder, pool)
        memory = _Memory(pool)
        result = await pool.run(plan, folder, memory, stop=asyncio.Event())
    finally:
        shutil.rmtree(folder)
    assert result.finished is not None
    metrics = result.finished.metrics
    return Line(
        name,
        steps=plan.total_steps,
        tokens=trained_on,
        cpu_seconds=metrics["train_cpu_seconds"],
        peak_bytes=memory.peak,
        base_loss=metrics["base_loss"],
        loss=metrics["eval_loss"],
    )


async def _plan(sections: Sections, rows: Path, folder: Path, pool: TrainerPool) -> tuple[TrainPlan, int]:
    """The plan, and how many tokens one epoch has."""
    config = folder / "training_config.yaml"
    config.write_text(yaml.safe_dump({"training_config": sections}))
    method = "qlora" if "QuantizationConfig" in sections else "lora"
    spec = await asyncio.to_thread(resolve, "tiny", method, config)
    out = folder / "tokens"
    out.mkdir()
    rules = rules_of(spec, TINY, DatasetSettings())
    files = [DataFile(name=rows.name, path=rows)]
    checked = await run_check(CheckRequest(files=files, model_folder=TINY, rules=rules, out=out), folder, pool.checks)
    data, model = data_facts("bench", checked), read_model_facts(TINY)
    folders = Folders(model=str(TINY), tokens=str(out))
    plan = make_plan(
        spec, preset_of(spec), data, model, detect(), folders, job_id="bench.settings.0", cpu_threads=pool.cpu_threads
    )
    return plan.model_copy(update={"samples": 0}), data.tokens


@dataclass
class _Memory:
    """Listens to a training and keeps the most that its process held."""

    pool: TrainerPool
    peak: int = 0

    async def __call__(self, message: ChildMessage) -> None:
        if isinstance(message, Progress):
            self.peak = max(self.peak, *(_high_water(child.pid) for child in psutil.Process(self.pool.pid).children()))


def _high_water(pid: int) -> int:
    fields: Mapping[str, str] = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
    )
    return int(fields["VmHWM"].split()[0]) * 1024


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=VARIANTS)
    parser.add_argument("--write", action="store_true", help="put the table into docs/settings.md")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
