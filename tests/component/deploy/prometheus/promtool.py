"""Prometheus's own programs, from .venv or the system: `make test` sees to it that they are there."""

import shutil
import subprocess
import sys
from pathlib import Path


def program(name: str) -> str:
    """Give the command."""
    near = Path(sys.executable).with_name(name)
    return str(near) if near.exists() else shutil.which(name) or name


def promtool(*words: str, cwd: Path) -> None:
    """Run it; it must end well."""
    command = [program("promtool"), *words]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
