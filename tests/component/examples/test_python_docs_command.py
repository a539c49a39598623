"""The script that makes the example rows, run as a user runs it."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from examples import python_docs

EXAMPLES = Path(__file__).parents[3] / "examples"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / "python_docs.py"), *arguments]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_two_runs_write_the_same_bytes_whatever_the_hash_seed(tmp_path: Path) -> None:
    first, second = tmp_path / "new" / "first.jsonl", tmp_path / "second.jsonl"
    assert run("--out", str(first), PYTHONHASHSEED="1").returncode == 0
    assert run("--out", str(second), PYTHONHASHSEED="2").returncode == 0
    assert first.read_bytes() == second.read_bytes()
    assert len(first.read_text().splitlines()) >= 1000


def test_rows_and_format_choose_how_many_and_how(tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    assert run("--rows", "3", "--format", "messages", "--out", str(out)).returncode == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [[turn["role"] for turn in row["messages"]] for row in rows] == [["user", "assistant"]] * 3
    prompts = [json.loads(line)["prompt"] for line in run("--rows", "3").stdout.splitlines()]
    assert prompts == [row["messages"][0]["content"] for row in rows]


def test_rows_made_apart_do_not_see_what_this_process_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    clean = [json.loads(line) for line in run("--rows", "2000").stdout.splitlines()]
    monkeypatch.setattr(shlex, "quote", lambda text: text)
    assert "shlex.quote" not in {row.name for row in python_docs.rows()}
    apart = python_docs.rows_apart()
    assert "shlex.quote" in {row.name for row in apart}
    assert [row.as_prompt() for row in apart[:2000]] == clean


def test_help_shows_an_example() -> None:
    assert "python examples/python_docs.py --format" in run("--help").stdout.replace("\n", " ")


def test_a_python_without_docstrings_is_told_so() -> None:
    done = run(PYTHONOPTIMIZE="2")
    assert done.returncode == 1
    assert "-OO" in done.stderr
    assert done.stdout == ""


def test_the_committed_rows_are_what_the_script_makes() -> None:
    """Names and questions hold on every Python; the answers may differ by its version."""
    committed = [json.loads(line) for line in (EXAMPLES / "python-docs-taught.jsonl").read_text().splitlines()]
    made = {row["prompt"] for row in map(json.loads, run("--part", "taught").stdout.splitlines())}
    assert len(committed) == 32
    assert made <= {row["prompt"] for row in committed}
    pretraining = {row["prompt"] for row in map(json.loads, run("--part", "pretraining").stdout.splitlines())}
    assert pretraining.isdisjoint(row["prompt"] for row in committed)
