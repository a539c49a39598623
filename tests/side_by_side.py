"""Which tests go to which process, where pytest runs several (`make test`).

A process starts servers of its own, so tests that share a whole system stay together, and so do those of one file.
The longest groups go first: what is left over at the end is short.
"""

import os
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
TOGETHER = ("e2e", "chaos")


def arrange(items: list[pytest.Item]) -> None:
    """Name each test's group and put the long groups first; alone, pytest keeps its order."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item.path)))
    items.sort(key=lambda item: (*TOGETHER, "").index(_folder(item.path)))


def _folder(path: Path) -> str:
    first = path.relative_to(TESTS).parts[0]
    return first if first in TOGETHER else ""


def _group(path: Path) -> str:
    return _folder(path) or str(path.relative_to(TESTS))
