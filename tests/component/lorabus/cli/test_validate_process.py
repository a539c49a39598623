"""`lorabus validate` as a process of its own: what it imports, and where its output goes."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lorabus.cli.validate import INVALID
from tests.component.lorabus.cli.documents import workspace

Write = Callable[..., Path]


def test_no_heavy_library_is_imported(write: Write) -> None:
    """Time is what users see; what costs it is imports, and those can be counted."""
    check = (
        "import sys\n"
        "from pathlib import Path\n"
        "from lorabus.cli.validate import validate\n"
        "code = validate([Path(sys.argv[1])], True, None)\n"
        "heavy = {'torch', 'faststream', 'aiokafka', 'pydantic', 'httpx', 'aiohttp', 'obstore', 'rich', 'typer'}\n"
        "print(code, sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", check, str(write(workspace()))], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "0 []\n")


@pytest.mark.parametrize(("target", "said"), [("/dev/full", "lorabus: No space left on device\n"), ("pipe", "")])
def test_output_that_nobody_takes_is_no_traceback(write: Write, target: str, said: str) -> None:
    file = str(write(workspace()))
    if target == "pipe":
        reader, output = os.pipe()
        os.close(reader)
    else:
        output = os.open(target, os.O_WRONLY)
    command = [sys.executable, "-m", "lorabus", "validate", file]
    with os.fdopen(output, "wb") as stdout:
        ran = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (1, said)


def test_letters_that_the_terminal_does_not_have_are_no_traceback(write: Write) -> None:
    command = [sys.executable, "-m", "lorabus", "validate", str(write(workspace('"münchen"')))]
    environ = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environ)
    assert (ran.returncode, ran.stderr) == (INVALID, "")
    assert "m\\xfcnchen" in ran.stdout
