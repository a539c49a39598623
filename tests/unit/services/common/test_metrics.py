"""What is measured at the edges: bounded labels whatever a server says, errors by kind, the store's own words."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from obstore.store import MemoryStore
from prometheus_client import CollectorRegistry

from services.common.errors import WorldError
from services.common.metrics import EdgeMetrics, last_fetches
from services.common.object_store import ObjectStore


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def edges(registry: CollectorRegistry) -> EdgeMetrics:
    return EdgeMetrics(registry)


async def test_each_request_to_the_store_is_measured_by_its_operation(
    edges: EdgeMetrics, registry: CollectorRegistry, tmp_path: Path
) -> None:
    store = ObjectStore(MemoryStore(), "memory", edges.store_request)
    (tmp_path / "file").write_bytes(b"file")
    assert await store.create("a/b", b"1")
    assert not await store.create("a/b", b"2")
    await store.put("a/b", b"3")
    assert await store.get("absent") is None
    assert not await store.exists("absent")
    assert await store.list("a/") == ["a/b"]
    await store.upload("a/c", tmp_path / "file")
    await store.download("a/c", tmp_path / "copy")
    await store.delete("a/b")
    counts = {"create": 2, "put": 1, "get": 3, "head": 1, "list": 1, "upload": 1, "delete": 1}
    for operation, count in counts.items():
        labels = {"operation": operation}
        assert registry.get_sample_value("lorabus_store_request_duration_seconds_count", labels) == count
    errors = next(family for family in registry.collect() if family.name == "lorabus_store_errors")
    assert errors.samples == [], "an absent key, or one that is there, is an answer"


async def test_a_fault_of_the_store_is_counted_by_its_kind(
    edges: EdgeMetrics, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise OSError("no route")

    monkeypatch.setattr("obstore.head_async", fail)
    store = ObjectStore(MemoryStore(), "memory", edges.store_request)
    with pytest.raises(WorldError, match="failed to look up a: no route"):
        await store.exists("a")
    labels = {"operation": "head", "error": "OSError"}
    assert registry.get_sample_value("lorabus_store_errors_total", labels) == 1


@pytest.mark.parametrize(
    ("outcome", "label"), [("200", "200"), ("503", "503"), ("799", "other"), ("TimeoutError", "TimeoutError")]
)
def test_a_registry_cannot_invent_labels(
    edges: EdgeMetrics, registry: CollectorRegistry, outcome: str, label: str
) -> None:
    edges.registry_request("PUT", outcome, 0.1, 7)
    assert registry.get_sample_value("lorabus_registry_requests_total", {"method": "PUT", "status": label}) == 1
    assert registry.get_sample_value("lorabus_registry_sent_bytes_total") == 7


def test_what_happens_once_is_seen_by_a_query_of_increases(registry: CollectorRegistry, edges: EdgeMetrics) -> None:
    """Its series are there before it happens."""
    store, oci = "lorabus_store_request_duration_seconds_count", "lorabus_registry_request_duration_seconds_count"
    assert registry.get_sample_value(store, {"operation": "upload"}) == 0
    assert registry.get_sample_value(oci, {"method": "PATCH"}) == 0
    assert registry.get_sample_value("lorabus_registry_requests_total", {"method": "PUT", "status": "201"}) == 0


@dataclass(frozen=True)
class Consumer:
    """aiokafka's, as far as it is asked: when each partition was last answered for, in milliseconds."""

    times: Mapping[int, int | None]

    def assignment(self) -> set[int]:
        return set(self.times)

    def last_poll_timestamp(self, place: int) -> int | None:
        return self.times[place]


@pytest.mark.parametrize(
    ("consumer", "seconds"),
    [(None, 0), (Consumer({}), 0), (Consumer({0: None, 1: 5000}), 0), (Consumer({0: 7000, 1: 5000}), 5)],
    ids=["not started", "no partition", "never answered", "the oldest"],
)
def test_the_partition_that_waits_longest_tells_how_long_kafka_is_silent(
    consumer: Consumer | None, seconds: float
) -> None:
    assert last_fetches({"t": SimpleNamespace(consumer=consumer)}) == {"t": seconds}
