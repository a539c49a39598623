"""`promtool`, from .venv or the system: `make test` sees to it that there is one."""

import shutil
import subprocess
import sys
from pathlib import Path


def promtool(*words: str, cwd: Path) -> None:
    """Run it; it must end well."""
    near = Path(sys.executable).with_name("promtool")
    command = str(near) if near.exists() else shutil.which("promtool") or "promtool"
    done = subprocess.run([command, *words], cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
