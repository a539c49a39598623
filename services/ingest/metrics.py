"""What ingest measures: every name once, with its unit and meaning. No job ids in labels."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from schemas.events import State
from schemas.failures import Reason
from schemas.jobs import JobRow
from services.common.metrics import LONG_SECONDS, EdgeMetrics
from services.ingest.webhooks.metrics import WebhookMetrics

REJECTED = "Rejected"
OUTCOMES = ("new", "repeated", "rejected")
ENDED = tuple(state for state in State if state.terminal)
_REASONS = frozenset({*Reason, REJECTED})


class Metrics:
    """The instruments of one process, in a registry of its own."""

    def __init__(self) -> None:
        """Make all of them."""
        self.registry = CollectorRegistry()
        self.edges = EdgeMetrics(self.registry)
        self.webhooks = WebhookMetrics(self.registry)
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
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
        )
        self._ended = Counter(
            "lorabus_jobs_ended",
            "Jobs whose end this process wrote down, by state; a failed one with its reason.",
            ["state", "reason"],
            registry=self.registry,
        )
        self._job_seconds = Histogram(
            "lorabus_job_duration_seconds",
            "From a job's first event to its last, by the state it ended in.",
            ["state"],
            registry=self.registry,
            buckets=LONG_SECONDS,
        )
        # A series that begins at 1 has no increase.
        for outcome in OUTCOMES:
            self._requests.labels(outcome)
        for reason in Reason:
            self._ended.labels(State.FAILED, reason)
        for state, why in ((State.SUCCEEDED, ""), (State.CANCELLED, ""), (State.REJECTED, REJECTED)):
            self._ended.labels(state, why)
        for state in ENDED:
            self._job_seconds.labels(state)

    def answered(self, outcome: str, seconds: float) -> None:
        """Note a request: new, repeated or rejected."""
        self._requests.labels(outcome).inc()
        self._accept_seconds.observe(seconds)

    def ended(self, row: JobRow) -> None:
        """Note a job's end. What events say is anybody's word: only reasons that we know become labels."""
        reason = row.failure.reason if row.failure else ""
        self._ended.labels(row.state, reason if not reason or reason in _REASONS else "other").inc()
        seconds = (row.updated_at - row.created_at).total_seconds()
        self._job_seconds.labels(row.state).observe(max(0.0, seconds))


@dataclass(eq=False)
class Scrape(Collector):
    """What is looked up when somebody asks, rather than counted as it happens."""

    jobs: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Number of jobs and creation time of the oldest one, by state."""
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def collect(self) -> Iterable[Metric]:
        """Give it in Prometheus's terms."""
        number = GaugeMetricFamily("lorabus_jobs", "Jobs by state.", labels=["state"])
        oldest = GaugeMetricFamily(
            "lorabus_jobs_oldest_age_seconds", "Age of the oldest job, by state.", labels=["state"]
        )
        # A state without jobs is told as 0: where a series ends, a curve shows a gap and a number "no data".
        for state in State:
            count, created_at = self.jobs.get(state, (0, ""))
            number.add_metric([state], count)
            age = (self.now - datetime.fromisoformat(created_at)).total_seconds() if created_at else 0
            oldest.add_metric([state], age)
        return (number, oldest)
