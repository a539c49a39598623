"""Ingest is not ready while Kafka is away."""

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest
from obstore.store import MemoryStore

from services.common.metrics import SILENT_SECONDS
from services.common.object_store import ObjectStore
from services.ingest.consumers import Consumers


@pytest.mark.parametrize(("silent", "missing"), [(1.0, set()), (SILENT_SECONDS + 5, {"kafka"})])
async def test_a_silent_kafka_is_missing(silent: float, missing: set[str]) -> None:
    answered = (time.time() - silent) * 1000
    consumer = SimpleNamespace(assignment=lambda: {0}, last_poll_timestamp=lambda _: answered)
    idle = SimpleNamespace(consumer=None)
    process = Consumers(
        {"events": SimpleNamespace(consumer=consumer), "requests": idle},
        {},
        cast("Any", SimpleNamespace(caught_up=True)),
        cast("Any", None),
        ObjectStore(MemoryStore(), "memory"),
    )
    assert set(await process.missing()) == missing


async def test_before_the_first_answer_it_is_said_what_is_waited_for() -> None:
    process = Consumers(
        {"events": SimpleNamespace(consumer=None)},
        {"requests": cast("Any", SimpleNamespace(joined=False))},
        cast("Any", SimpleNamespace(caught_up=False)),
        cast("Any", None),
        ObjectStore(MemoryStore(), "memory"),
    )
    assert set(await process.missing()) == {"requests", "read model"}
