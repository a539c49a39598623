"""One running system for each profile, shared by the tests of a session: starting one takes ten seconds."""

from collections.abc import Iterator

import pytest

from tests.e2e.collector import Collector, collecting
from tests.e2e.system import NOBODY, System, a_system


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """What the embedded system sends its spans to."""
    with collecting() as made:
        yield made


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[System]:
    """Kafka, the three services, files. A registry that is not there may be asked, and is given up after seconds."""
    settings = {"LORABUS_PUBLISH_RETRY_SECONDS": "2", "LORABUS_INSECURE_REGISTRIES": NOBODY}
    settings |= {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
    with a_system(tmp_path_factory.mktemp("embedded"), "embedded", **settings) as system:
        yield system
