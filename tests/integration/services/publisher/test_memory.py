"""Proves that a push takes no more memory for a larger adapter; `python -m bench.publishing --memory` pushes 4 GiB."""

from pathlib import Path

from bench.publishing_memory import pushed_memory
from bench.staging_memory import MIB


async def test_a_large_adapter_is_pushed_in_little_memory(tmp_path: Path) -> None:
    assert await pushed_memory(tmp_path, 384) < 64 * MIB
