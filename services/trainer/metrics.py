"""The trainer's metrics, each named once. Seconds, bytes and counts; no job ids in labels."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """Counters and gauges in a registry of their own."""

    def __init__(self) -> None:
        """Register everything at zero."""
        self.registry = CollectorRegistry()
        self._attempts = Counter(
            "lorabus_trainer_attempts", "Attempts ended, by outcome.", ["outcome"], registry=self.registry
        )
        self._claims = Counter(
            "lorabus_trainer_claims", "Claims tried, by outcome.", ["outcome"], registry=self.registry
        )
        self._jobs = Gauge(
            "lorabus_trainer_queue_jobs", "Jobs in the queue, by state.", ["state"], registry=self.registry
        )
        self._oldest = Gauge(
            "lorabus_trainer_oldest_waiting_seconds", "Age of the oldest waiting job.", registry=self.registry
        )
        self.busy = Gauge("lorabus_trainer_busy", "1 while a job is being worked on.", registry=self.registry)
        self.tokens_per_second = Gauge(
            "lorabus_trainer_tokens_per_second", "Useful tokens per second of the running job.", registry=self.registry
        )
        self.trained_tokens = Counter(
            "lorabus_trainer_trained_tokens", "Useful tokens trained.", registry=self.registry
        )
        self.start_seconds = Histogram(
            "lorabus_trainer_time_to_first_step_seconds",
            "From claim to the first training step.",
            buckets=(0.5, 1, 2, 5, 10, 30, 60, 300, 1800),
            registry=self.registry,
        )

    def ended(self, outcome: str) -> None:
        """Count an attempt's end: trained, failed, retried, cancelled."""
        self._attempts.labels(outcome).inc()

    def claimed(self, outcome: str) -> None:
        """Count a claim: won, lost, taken_over."""
        self._claims.labels(outcome).inc()

    def queue(self, counts: dict[str, int], oldest_seconds: float) -> None:
        """Show the table's size."""
        self._jobs.clear()
        for state, count in counts.items():
            self._jobs.labels(state).set(count)
        self._oldest.set(oldest_seconds)
