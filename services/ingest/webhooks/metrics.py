"""What is measured of webhooks: every name once, with its unit and meaning. Endpoints are the operator's, so few."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

OUTCOMES = ("delivered", "failed", "given_up", "gone")


@dataclass(frozen=True, slots=True)
class Waiting:
    """What one endpoint still has to get: `oldest` is when Kafka got the oldest event, in seconds since 1970."""

    events: int
    oldest: float | None
    gone: bool


class WebhookMetrics(Collector):
    """The instruments of one process; looks at each endpoint when somebody asks."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Make all of them."""
        self._endpoints: dict[str, Callable[[], Waiting]] = {}
        self._tries = Counter(
            "lorabus_webhook_deliveries",
            "Requests to webhook endpoints: delivered; failed, to be made again; given_up; gone (410).",
            ["endpoint", "outcome"],
            registry=registry,
        )
        registry.register(self)

    def watch(self, endpoint: str, look: Callable[[], Waiting]) -> None:
        """Show this endpoint from now on."""
        self._endpoints[endpoint] = look
        # A series that begins at 1 has no increase, which alerts look at.
        for outcome in OUTCOMES:
            self._tries.labels(endpoint, outcome)

    def tried(self, endpoint: str, outcome: str) -> None:
        """Note a request: delivered, failed, given_up or gone."""
        self._tries.labels(endpoint, outcome).inc()

    def collect(self) -> Iterable[Metric]:
        """Give it in Prometheus's terms."""
        waiting = GaugeMetricFamily(
            "lorabus_webhook_waiting_events",
            "Events read from Kafka for an endpoint and not delivered yet.",
            labels=["endpoint"],
        )
        oldest = GaugeMetricFamily(
            "lorabus_webhook_oldest_waiting_seconds",
            "Age of the oldest; 0 when none waits.",
            labels=["endpoint"],
        )
        gone = GaugeMetricFamily(
            "lorabus_webhook_gone", "1 once the endpoint has answered 410: nothing is sent to it.", labels=["endpoint"]
        )
        for name, look in self._endpoints.items():
            found = look()
            waiting.add_metric([name], found.events)
            oldest.add_metric([name], 0 if found.oldest is None else max(0.0, time.time() - found.oldest))
            gone.add_metric([name], found.gone)
        return (waiting, oldest, gone)
