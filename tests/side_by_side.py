"""Which tests go to which process, where pytest runs several (`make test`), and in which order.

A process starts servers of its own: tests that share a whole system stay together, and so do those of one file. What
takes longest begins first, so that what is left at the end is short.
"""

import pytest
from xdist.scheduler import LoadFileScheduling

TRAININGS = "tests/component/services/trainer/training/"
SHARING = ("tests/e2e/", "tests/chaos/", TRAININGS)
"""Folders whose tests share a system, or the process that has imported torch."""
NOT_SHARING = ("tests/e2e/test_stack.py", "tests/e2e/lorabus/test_demo.py", "tests/e2e/lorabus/test_no_servers.py")
LONG = (*SHARING, "tests/component/", "")


class BySystem(LoadFileScheduling):  # type: ignore[misc]
    """One piece of work is what shares a system; else it is a file."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return file if file in NOT_SHARING else next((folder for folder in SHARING if file.startswith(folder)), file)


def longest_first(items: list[pytest.Item]) -> None:
    """Within a folder the order stays as it is."""
    items.sort(key=lambda item: next(place for place, folder in enumerate(LONG) if item.nodeid.startswith(folder)))
