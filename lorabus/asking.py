"""Questions to a model, in a process of its own: the caller's side has no torch, and nothing of it leaks here."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from lorabus.faults import BadInput

MODULE = "services.trainer.generate"


def ask(
    model: Path,
    adapter: Path,
    prompts: Sequence[str],
    *,
    whom: Sequence[str],
    plain: bool = False,
    template: str | None = None,
) -> Generator[dict[str, str], None, None]:
    """The answers as they come: `{"prompt", "base", "adapter"}`, the latter two as `whom` says.

    `template` is the chat template that the adapter was taught with, where that is not the model's own.
    """
    with tempfile.TemporaryDirectory(prefix="lorabus-") as folder, tempfile.TemporaryFile("w+") as errors:
        asked, written = Path(folder) / "prompts.json", Path(folder) / "template.jinja"
        asked.write_text(json.dumps(list(prompts)))
        folders = ["--model", str(model), "--adapter", str(adapter), "--prompts-file", str(asked)]
        if template is not None:
            written.write_text(template)
            folders += ["--template-file", str(written)]
        command = [sys.executable, "-m", MODULE, *folders, *(["--plain"] if plain else []), "--ask", *whom]
        with _running(command, errors) as process:
            for line in process.stdout or ():
                yield json.loads(line)
            if process.wait():
                errors.seek(0)
                said = errors.read().strip().splitlines()
                raise BadInput(said[-1] if said else f"{MODULE} ended with {process.returncode}")


@contextmanager
def _running(command: list[str], errors: IO[str]) -> "Iterator[subprocess.Popen[str]]":
    """The process; it never outlives the block."""
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True, process_group=0
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
