"""What ingest measures: every name once, with its unit and meaning."""

from collections.abc import Iterable
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class Metrics:
    """The instruments of one process, in a registry of its own."""

    def __init__(self) -> None:
        """Make all of them."""
        self.registry = CollectorRegistry()
        self.jobs = JobsByState()
        self.registry.register(self.jobs)
        self.requests = Counter(
            "lorabus_ingest_requests", "Requests by outcome.", ["outcome", "way"], registry=self.registry
        )
        self.accept_seconds = Histogram(
            "lorabus_ingest_accept_seconds",
            "From a request's arrival to its answer on the status topic.",
            registry=self.registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
        )
        self.dead_letters = Counter(
            "lorabus_ingest_dead_letters", "Records that nobody could read.", registry=self.registry
        )
        self.loop_delay = Histogram(
            "lorabus_ingest_event_loop_delay_seconds",
            "How late the event loop wakes a sleeper.",
            registry=self.registry,
            buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1),
        )


class JobsByState(Collector):
    """Jobs by state as the read model has them; set before each scrape."""

    def __init__(self) -> None:
        """Start with none."""
        self._counts: dict[str, tuple[int, float]] = {}

    def set(self, counts: dict[str, tuple[int, str]], now: datetime) -> None:
        """Take the number of jobs and the creation time of the oldest one, by state."""
        self._counts = {
            state: (count, (now - datetime.fromisoformat(oldest)).total_seconds())
            for state, (count, oldest) in counts.items()
        }

    def collect(self) -> Iterable[Metric]:
        """Give the gauges."""
        number = GaugeMetricFamily("lorabus_jobs", "Jobs by state.", labels=["state"])
        oldest = GaugeMetricFamily(
            "lorabus_jobs_oldest_age_seconds", "Age of the oldest job, by state.", labels=["state"]
        )
        for state, (count, age) in self._counts.items():
            number.add_metric([state], count)
            oldest.add_metric([state], age)
        return (number, oldest)
