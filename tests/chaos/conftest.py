"""A system of its own, with short leases, whose parts may be killed; each test leaves it whole again."""

from collections.abc import Iterator

import pytest

from tests.chaos.breakable import Breakable, breakable


@pytest.fixture(scope="session")
def whole_system(tmp_path_factory: pytest.TempPathFactory, registry_address: str) -> Iterator[Breakable]:
    """Kafka, ingest, publisher and two trainers, beside the session's registry."""
    with breakable(tmp_path_factory.mktemp("chaos"), registry_address) as system:
        yield system


@pytest.fixture
def chaos(whole_system: Breakable) -> Breakable:
    """The system, with everything that an earlier test has killed started again."""
    whole_system.mend()
    return whole_system
