"""What every service measures at its edges, each metric named once: store, registries, Kafka, the event loop.

The scraper's own labels (`job`, `instance`) say which service it was. Job ids, hosts and keys are never labels.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.common.kafka.dead_letters import DeadLetters

SLEEP_SECONDS = 0.5
SILENT_SECONDS = 15.0
"""Kafka answers each fetch within half a second, also when there is nothing new: silent for so long, it is away."""
LONG_SECONDS = (0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, *(hours * 3600 for hours in (2, 4, 8, 24, 72)))
"""Bounds for what takes a moment with a small model and days with a large one."""
_REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)
_OPERATIONS = ("create", "put", "get", "head", "list", "delete", "upload")
_ANSWERS = {
    "GET": ("200",),
    "HEAD": ("200", "404"),
    "POST": ("201", "202"),
    "PATCH": ("202",),
    "PUT": ("201",),
}
"""What a push gets when all is well."""
_STATUSES = frozenset(str(status.value) for status in HTTPStatus)


class EdgeMetrics:
    """Their methods are the hooks that `ObjectStore` and `Transport` are given."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register all of them."""
        self.scrape = EdgeScrape()
        registry.register(self.scrape)
        ProcessCollector(registry=registry)
        self._store_seconds = Histogram(
            "lorabus_store_request_duration_seconds",
            "Time of a request to the object store; of a stream the time to its first byte.",
            ["operation"],
            registry=registry,
            buckets=_REQUEST_SECONDS,
        )
        self._store_errors = Counter(
            "lorabus_store_errors",
            "Requests that the object store failed, by the kind of error.",
            ["operation", "error"],
            registry=registry,
        )
        self._registry_seconds = Histogram(
            "lorabus_registry_request_duration_seconds",
            "Time of a request to an OCI registry, to the head of its answer.",
            ["method"],
            registry=registry,
            buckets=_REQUEST_SECONDS,
        )
        self._registry_requests = Counter(
            "lorabus_registry_requests",
            "Requests to OCI registries, by the status of the answer or the kind of error.",
            ["method", "status"],
            registry=registry,
        )
        self._registry_sent = Counter(
            "lorabus_registry_sent_bytes", "Bytes of blobs sent to OCI registries.", registry=registry
        )
        self._loop_delay = Histogram(
            "lorabus_event_loop_delay_seconds",
            "How late the event loop wakes a sleeper.",
            registry=registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
        )
        # A series that begins at 1 has no increase: a job's only push would be seen by nobody.
        for operation in _OPERATIONS:
            self._store_seconds.labels(operation)
        for method, statuses in _ANSWERS.items():
            self._registry_seconds.labels(method)
            for status in statuses:
                self._registry_requests.labels(method, status)

    def store_request(self, operation: str, seconds: float, fault: str) -> None:
        """Note a request to the store; `fault` is its error's name, or empty."""
        self._store_seconds.labels(operation).observe(seconds)
        if fault:
            self._store_errors.labels(operation, fault).inc()

    def registry_request(self, method: str, outcome: str, seconds: float, sent: int) -> None:
        """Note a request to a registry; a status that HTTP does not know counts as `other`."""
        self._registry_seconds.labels(method).observe(seconds)
        known = not outcome.isdigit() or outcome in _STATUSES
        self._registry_requests.labels(method, outcome if known else "other").inc()
        self._registry_sent.inc(sent)

    async def look(self, subscribers: Mapping[str, Any], dead_letters: DeadLetters) -> None:
        """Look up what is not counted as it happens."""
        self.scrape.lag, self.scrape.dead_letters = await consumer_lag(subscribers), dead_letters.total
        self.scrape.fetched = last_fetches(subscribers)

    async def watch_loop(self) -> None:
        """Tell for ever how late the event loop wakes us: what every other task has to wait as well."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + SLEEP_SECONDS
            await asyncio.sleep(SLEEP_SECONDS)
            self._loop_delay.observe(max(0.0, loop.time() - due))


@dataclass(eq=False)
class EdgeScrape(Collector):
    """What is looked up when somebody asks, rather than counted as it happens."""

    lag: Mapping[str, int] = field(default_factory=dict)
    """Records of each topic that were written and not yet read."""
    fetched: Mapping[str, float] = field(default_factory=dict)
    """What `last_fetches` gives."""
    dead_letters: int = 0

    def collect(self) -> Iterable[Metric]:
        """Give it in Prometheus's terms."""
        lag = GaugeMetricFamily(
            "lorabus_consumer_lag_records", "Records of a topic that wait to be read by this process.", labels=["topic"]
        )
        for topic, records in self.lag.items():
            lag.add_metric([topic], records)
        fetched = GaugeMetricFamily(
            "lorabus_consumer_fetch_timestamp_seconds",
            "When Kafka last answered for each partition of a topic that this process reads; 0 before, or without any.",
            labels=["topic"],
        )
        for topic, when in self.fetched.items():
            fetched.add_metric([topic], when)
        dead = CounterMetricFamily(
            "lorabus_dead_letters", "Records that nobody could read, sent to `tuning.dlq.v1`.", value=self.dead_letters
        )
        return (lag, fetched, dead)


async def consumer_lag(subscribers: Mapping[str, Any]) -> dict[str, int]:
    """Give the number of records that wait in the partitions of this process, by topic; FastStream's subscribers."""
    behind = {}
    for topic, subscriber in subscribers.items():
        consumer = subscriber.consumer
        ends = {place: consumer.highwater(place) for place in consumer.assignment()} if consumer else {}
        places = [(place, end) for place, end in ends.items() if end is not None]
        behind[topic] = sum([max(0, end - await consumer.position(place)) for place, end in places])
    return behind


def last_fetches(subscribers: Mapping[str, Any]) -> dict[str, float]:
    """Give when Kafka last answered for the partition that has waited longest, in seconds since 1970, by topic.

    It answers twice a second, also when there is nothing new. It stands still when Kafka is away, and when this process
    does not take what has arrived; 0 when a partition was never answered for, or there is none.
    """
    fetched = {}
    for topic, subscriber in subscribers.items():
        consumer = subscriber.consumer
        times = [consumer.last_poll_timestamp(place) or 0 for place in consumer.assignment()] if consumer else []
        fetched[topic] = min(times, default=0) / 1000
    return fetched
