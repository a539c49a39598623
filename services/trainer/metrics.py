"""The trainer's metrics, each named once. Seconds, bytes and counts; no job ids in labels."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from schemas.events import State
from services.common.metrics import LONG_SECONDS, EdgeMetrics

QUEUED = tuple(state for state in State if not state.terminal and state is not State.PUBLISHING)
_SHORT = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """Counters and gauges in a registry of their own."""

    def __init__(self) -> None:
        """Register everything at zero."""
        self.registry = registry = CollectorRegistry()
        self.edges = EdgeMetrics(registry)
        self._attempts = Counter(
            "lorabus_trainer_attempts",
            "Attempts ended, by outcome: trained, failed, retried, cancelled.",
            ["outcome"],
            registry=registry,
        )
        self._claims = Counter(
            "lorabus_trainer_claims",
            "Claims tried, by outcome: won, lost, taken_over.",
            ["outcome"],
            registry=registry,
        )
        self.leases_lost = Counter(
            "lorabus_trainer_leases_lost", "Leases that ran out or went to another trainer.", registry=registry
        )
        self._jobs = Gauge("lorabus_trainer_queue_jobs", "Jobs in the queue, by state.", ["state"], registry=registry)
        self._oldest = Gauge(
            "lorabus_trainer_oldest_waiting_seconds", "Age of the oldest waiting job.", registry=registry
        )
        self._wait_seconds = Histogram(
            "lorabus_trainer_job_wait_seconds",
            "From a job's acceptance to its first claim.",
            buckets=LONG_SECONDS,
            registry=registry,
        )
        self._busy = Gauge("lorabus_trainer_busy", "1 while a job is being worked on.", registry=registry)
        self._attempt_seconds = Histogram(
            "lorabus_trainer_attempt_duration_seconds",
            "From a claim to the end of the attempt.",
            buckets=LONG_SECONDS,
            registry=registry,
        )
        self._moved_at = Gauge(
            "lorabus_trainer_progress_timestamp_seconds",
            "When the running job last got further: bytes staged, a stage ended, a step done; 0 when idle.",
            registry=registry,
        )
        self._staged = Counter(
            "lorabus_trainer_staged_bytes", "Bytes of datasets copied to the store.", registry=registry
        )
        self.stage_seconds = Histogram(
            "lorabus_trainer_stage_duration_seconds",
            "Time to have a dataset in the store.",
            buckets=LONG_SECONDS,
            registry=registry,
        )
        self._start_seconds = Histogram(
            "lorabus_trainer_time_to_first_step_seconds",
            "From claim to the first training step.",
            buckets=(0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800),
            registry=registry,
        )
        self.tokens_per_second = Gauge(
            "lorabus_trainer_tokens_per_second", "Useful tokens per second of the running job.", registry=registry
        )
        self._tokens = Counter("lorabus_trainer_trained_tokens", "Useful tokens trained.", registry=registry)
        self._step_seconds = Histogram(
            "lorabus_trainer_step_duration_seconds",
            "Time of a training step, as the mean of each reported window.",
            buckets=_SHORT,
            registry=registry,
        )
        self._checkpoint_at = Gauge(
            "lorabus_trainer_checkpoint_timestamp_seconds",
            "When the running job's last checkpoint was in the store; 0 before its first one and when idle.",
            registry=registry,
        )
        self._checkpoint_bytes = Counter(
            "lorabus_trainer_checkpoint_bytes", "Bytes of checkpoints copied to the store.", registry=registry
        )
        # A series that begins at 1 has no increase.
        for outcome in ("trained", "failed", "retried", "cancelled"):
            self._attempts.labels(outcome)
        for outcome in ("won", "lost", "taken_over"):
            self._claims.labels(outcome)

    def ended(self, outcome: str) -> None:
        """Count an attempt's end: trained, failed, retried, cancelled."""
        self._attempts.labels(outcome).inc()

    def claimed(self, outcome: str) -> None:
        """Count a claim: won, lost, taken_over."""
        self._claims.labels(outcome).inc()

    def waited(self, seconds: float) -> None:
        """Note how long a job has waited for its first claim; two machines' clocks may disagree."""
        self._wait_seconds.observe(max(0.0, seconds))

    @contextmanager
    def working(self) -> Iterator[None]:
        """Be busy as long as the block runs."""
        began = monotonic()
        self._busy.set(1)
        self.moved()
        try:
            yield
        finally:
            self._attempt_seconds.observe(monotonic() - began)
            for gauge in (self._busy, self._moved_at, self._checkpoint_at):
                gauge.set(0)

    def moved(self) -> None:
        """Note that the running job got further."""
        self._moved_at.set(time())

    def staged(self, count: int) -> None:
        """Count bytes that are on their way; those of a failed try are counted, too."""
        self._staged.inc(max(0, count))
        self.moved()

    def first_step(self, seconds: float) -> None:
        """Note how long the first step took to come, from the claim."""
        self._start_seconds.observe(seconds)

    def stepped(self, steps: int, seconds: float, tokens: int) -> None:
        """Note a window of training; without a new step nothing has moved."""
        self._tokens.inc(max(0, tokens))
        if steps > 0:
            self._step_seconds.observe(seconds / steps)
            self.moved()

    def checkpointed(self, size: int) -> None:
        """Note a checkpoint that is complete in the store."""
        self._checkpoint_bytes.inc(size)
        self._checkpoint_at.set(time())
        self.moved()

    def queue(self, counts: dict[str, int], oldest_seconds: float) -> None:
        """Show the table's size; a state without jobs is told as 0."""
        for state in QUEUED:
            self._jobs.labels(state).set(counts.get(state, 0))
        self._oldest.set(oldest_seconds)
