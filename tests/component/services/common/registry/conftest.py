"""For every test of the client: tries without waits."""

from collections.abc import Iterator

import pytest
import stamina


@pytest.fixture(autouse=True)
def at_once() -> Iterator[None]:
    with stamina.set_testing(True, attempts=4, cap=True):
        yield
