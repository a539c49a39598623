"""What ingest measures: every name once, with its unit and meaning. No job ids in labels."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class Metrics:
    """The instruments of one process, in a registry of its own."""

    def __init__(self) -> None:
        """Make all of them."""
        self.registry = CollectorRegistry()
        self.scrape = Scrape()
        self.registry.register(self.scrape)
        self._requests = Counter(
            "lorabus_ingest_requests",
            "Requests answered: new, repeated, rejected.",
            ["outcome"],
            registry=self.registry,
        )
        self._accept_seconds = Histogram(
            "lorabus_ingest_accept_seconds",
            "From a request that was read to its answer on the status topic.",
            registry=self.registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
        )
        self._loop_delay = Histogram(
            "lorabus_ingest_event_loop_delay_seconds",
            "How late the event loop wakes a sleeper.",
            registry=self.registry,
            buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1),
        )

    def answered(self, outcome: str, seconds: float) -> None:
        """Note a request: new, repeated or rejected."""
        self._requests.labels(outcome).inc()
        self._accept_seconds.observe(seconds)

    def woke_late(self, seconds: float) -> None:
        """Note how long after its time a sleeper of the event loop woke."""
        self._loop_delay.observe(seconds)


@dataclass(eq=False)
class Scrape(Collector):
    """What is looked up when somebody asks, rather than counted as it happens."""

    jobs: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Number of jobs and creation time of the oldest one, by state."""
    lag: dict[str, int] = field(default_factory=dict)
    """Records of each topic that were written and not yet read."""
    dead_letters: int = 0
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def collect(self) -> Iterable[Metric]:
        """Give it in Prometheus's terms."""
        number = GaugeMetricFamily("lorabus_jobs", "Jobs by state.", labels=["state"])
        oldest = GaugeMetricFamily(
            "lorabus_jobs_oldest_age_seconds", "Age of the oldest job, by state.", labels=["state"]
        )
        for state, (count, created_at) in self.jobs.items():
            number.add_metric([state], count)
            oldest.add_metric([state], (self.now - datetime.fromisoformat(created_at)).total_seconds())
        lag = GaugeMetricFamily("lorabus_ingest_consumer_lag", "Records that wait to be read.", labels=["topic"])
        for topic, records in self.lag.items():
            lag.add_metric([topic], records)
        dead = CounterMetricFamily("lorabus_ingest_dead_letters", "Records that nobody could read.")
        dead.add_metric([], self.dead_letters)
        return (number, oldest, lag, dead)
