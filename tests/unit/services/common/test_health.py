"""A service whose Kafka is silent is not ready, though it keeps its partitions."""

import time
from types import SimpleNamespace

import pytest
from obstore.store import MemoryStore

from schemas.topics import JOBS
from services.common.health import missing_parts
from services.common.metrics import SILENT_SECONDS
from services.common.object_store import ObjectStore
from services.common.settings import Settings


@pytest.mark.parametrize(
    ("places", "silent", "words"),
    [({0}, 1.0, None), ({0}, SILENT_SECONDS + 5, "has not answered for 20 s"), (set(), 0.0, "no partitions")],
    ids=["answers", "silent", "no partition"],
)
async def test_kafka_is_missing_when_it_does_not_answer(places: set[int], silent: float, words: str | None) -> None:
    answered = (time.time() - silent) * 1000
    consumer = SimpleNamespace(assignment=lambda: places, last_poll_timestamp=lambda _: answered)
    store = ObjectStore(MemoryStore(), "memory")
    missing = await missing_parts(Settings(), store, SimpleNamespace(consumer=consumer), JOBS)
    assert set(missing) == ({"kafka"} if words else set())
    assert words is None or words in missing["kafka"]
