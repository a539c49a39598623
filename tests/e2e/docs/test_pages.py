"""Proves that what the pages tell people to type works: every `sh` block of a page, in its order, as one script.

All pages share the running system of the session. A folder takes the place of the checkout: it has the examples, the
virtual environment and, as `.lorabus`, the system's home. Blocks that name a file (```` ```yaml mine.yaml ````) are
written to it first. Three things are not as on the page: the addresses, which are those of this system; `lorabus
down`, which would end the system for the other tests and is run where systems end; and how long the example trains,
which is whole in `../lorabus/test_demo.py`.
"""

import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.system import COMMAND, PATIENCE, System
from tests.unit.docs.pages import ROOT, Block, blocks, pages

EXAMPLE = "examples/tune-python-docs.yaml"
SHOWN = ("bench", "schemas", "services", "lorabus", "docs", "deploy", ".venv")
PRELUDE = """set -euo pipefail
lorabus() { if [ "${1:-}" = down ]; then command lorabus down --help >/dev/null; else command lorabus "$@"; fi; }
trap 'echo "this failed: $BASH_COMMAND" >&2' ERR
"""
RUN = [page for page in pages() if any(block.runs for block in blocks(page))]


@pytest.fixture
def folder(embedded: System, tmp_path: Path) -> Path:
    for name in SHOWN:
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".lorabus").symlink_to(embedded.home)
    (tmp_path / "examples").mkdir()
    for path in (ROOT / "examples").iterdir():
        (tmp_path / "examples" / path.name).symlink_to(path)
    whole = (ROOT / EXAMPLE).read_text()
    assert whole.count("max_steps: 60\n") == 1
    (tmp_path / EXAMPLE).unlink()
    (tmp_path / EXAMPLE).write_text(whole.replace("max_steps: 60\n", "max_steps: 4\n"))
    return tmp_path


@pytest.mark.parametrize("page", RUN)
def test_what_a_page_tells_to_type_works(embedded: System, folder: Path, page: str) -> None:
    script = PRELUDE + "".join(_step(block, folder) for block in blocks(page))
    environment = {**embedded.env, "PATH": f"{Path(COMMAND).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", _with_addresses(script, embedded)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, f"{page}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"


def _step(block: Block, folder: Path) -> str:
    if block.file:
        path = folder / f".{block.line}.block"
        path.write_text(block.text)
        return f"cp {path} {block.file}\n"
    return f": {block}\n{block.text}\n" if block.runs else ""


def _with_addresses(script: str, system: System) -> str:
    """The usual ports may be taken; the system says what it uses."""
    parts = system.status()
    for usual, name in (("127.0.0.1:8080", "ingest"), ("127.0.0.1:9092", "kafka")):
        script = script.replace(usual, str(parts[name]["address"]))
    return script
