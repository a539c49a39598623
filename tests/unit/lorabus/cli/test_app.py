"""The command line's shape: every command explains itself with an example, quickly, and faults are one line."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import structlog
from typer.testing import CliRunner

from lorabus.__main__ import main
from lorabus.cli.app import app

COMMANDS = (
    *(
        "validate",
        "submit",
        "watch",
        "jobs",
        "show",
        "cancel",
        "publish",
        "pull",
        "generate",
        "up",
        "down",
        "status",
        "demo",
    ),
    *("top", "serve", "topics apply", "dlq list", "dlq show", "dlq replay", "presets"),
)
WITHOUT_JSON = {"serve"}
SLOW = ("rich", "aiokafka", "aiohttp", "pydantic", "structlog", "opentelemetry", "yaml", "psutil")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_one_example(command: str) -> None:
    answer = CliRunner().invoke(app, [*command.split(), "--help"])

    assert answer.exit_code == 0
    assert answer.stdout.count("Example: lorabus ") == 1
    assert f"Example: lorabus {command}" in answer.stdout
    assert ("--json" in answer.stdout) == (command not in WITHOUT_JSON)


def test_the_help_lists_every_command() -> None:
    answer = CliRunner().invoke(app, ["--help"])

    assert [command for command in COMMANDS if f"  {command.split()[0]} " not in answer.stdout] == []


def test_help_imports_nothing_slow() -> None:
    program = f"import lorabus.cli.app, sys; print([name for name in {SLOW!r} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.fixture(autouse=True)
def _own_process_state() -> Iterator[None]:
    """A command completes its process's environment and quiets its logs; other tests must not see that."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
    logging.disable(logging.NOTSET)
    structlog.reset_defaults()


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["lorabus", *words])
    try:
        return main()
    except SystemExit as left:
        assert isinstance(left.code, int)
        return left.code


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["jbs"], "No such command 'jbs'"),
        (["jobs", "--state", "blue"], "--state must be one of pending, staging"),
        (["submit", "absent.yaml"], "cannot read absent.yaml"),
        (["serve", "cook"], "no service 'cook': ingest, trainer, publisher"),
        (["up", "--profile", "cloud"], "--profile must be embedded or stack"),
    ],
)
def test_wrong_usage_is_said_in_one_line_and_ends_with_2(
    words: list[str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(monkeypatch, *words)

    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert told in err
    assert "Traceback" not in err


def test_a_setting_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LORABUS_KAFKA_SECURITY", "none")

    assert run(monkeypatch, "jobs") == 2
    assert "LORABUS_KAFKA_SECURITY" in capsys.readouterr().err
