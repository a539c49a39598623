"""Files to give to a command."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    monkeypatch.setenv("LORABUS_HOME", str(tmp_path / "home"))
    for name in ("LORABUS_CONFIGMAPS_DIR", "LORABUS_SOURCE_ALLOW", "LORABUS_NODE_AUTO_PROVISIONING"):
        monkeypatch.delenv(name, raising=False)

    def write_file(content: str | bytes, name: str = "file.yaml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file
