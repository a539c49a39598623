"""The publisher's metrics, each named once, with its unit and meaning. Job ids are never labels."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from schemas.failures import Reason
from services.common.metrics import EdgeMetrics


class Metrics:
    """Handed to whoever counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.edges = EdgeMetrics(registry)
        self.ended = Counter(
            "lorabus_publisher_jobs_total",
            "Jobs that the publisher ended, by final state.",
            ["state"],
            registry=registry,
        )
        self.seconds = Histogram(
            "lorabus_publisher_push_seconds",
            "Time from taking a trained adapter to its image in place.",
            buckets=(0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000),
            registry=registry,
        )
        self.bytes = Counter(
            "lorabus_publisher_image_bytes_total", "Bytes of published images, blobs and manifest.", registry=registry
        )
        self.retries = Counter(
            "lorabus_publisher_retries_total", "Pushes tried again because of the world.", ["reason"], registry=registry
        )
        # A series that begins at 1 has no increase.
        for state in ("succeeded", "failed", "cancelled"):
            self.ended.labels(state)
        for reason in (each for each in Reason if each.retryable):
            self.retries.labels(reason)
        self.working = Gauge(
            "lorabus_publisher_jobs_in_work", "Adapters taken from Kafka and not yet done.", registry=registry
        )
