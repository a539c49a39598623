"""`docs/metrics.md`, from the registries that the services serve at `/metrics`."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

from services.common.metrics import EdgeMetrics
from services.ingest.metrics import Metrics as IngestMetrics
from services.publisher.metrics import Metrics as PublisherMetrics
from services.trainer.metrics import Metrics as TrainerMetrics

_HEAD = """# Metrics

Generated from the services' registries by `python -m docs.generate`.

Each service answers `/metrics` in Prometheus's text format: ingest at `LORABUS_HTTP_ADDR` (with its API token where one
is set), trainer and publisher at `LORABUS_HEALTH_ADDR`. The scraper's own labels `job` and `instance` say which process
it was. Job ids, hosts, keys and other words of users are never labels. A histogram gives `…_bucket` (with the label
`le`), `…_sum` and `…_count`.

`deploy/prometheus/` scrapes them and holds the [alerts](runbook.md), `deploy/grafana/` the dashboards, and
`lorabus top` shows the same on a terminal.
"""
_SUFFIX = {"counter": "_total"}
_UNITS = (
    ("_timestamp_seconds", "Unix time in seconds"),
    ("_start_time_seconds", "Unix time in seconds"),
    ("_tokens_per_second", "tokens per second"),
    ("_seconds", "seconds"),
    ("_seconds_total", "seconds"),
    ("_bytes", "bytes"),
    ("_bytes_total", "bytes"),
    ("_tokens_total", "tokens"),
    ("_records", "records"),
    ("_events", "events"),
)


@dataclass(frozen=True, slots=True)
class Described:
    """One metric. `name` is the one that is served; `meaning` a sentence."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str

    @property
    def unit(self) -> str:
        """As the name says it; what only counts has none."""
        return next((unit for suffix, unit in _UNITS if self.name.endswith(suffix)), "")

    @property
    def series(self) -> tuple[str, ...]:
        """The names that a query may use."""
        if self.kind != "histogram":
            return (self.name,)
        return tuple(f"{self.name}{suffix}" for suffix in ("_bucket", "_sum", "_count"))


def services() -> dict[str, tuple[Described, ...]]:
    """The metrics of each service; those that every service has stand first, and only there."""
    edges, publisher = CollectorRegistry(), CollectorRegistry()
    EdgeMetrics(edges)
    PublisherMetrics(publisher)
    registries = {"ingest": IngestMetrics().registry, "trainer": TrainerMetrics().registry, "publisher": publisher}
    common = described(edges)
    own = {
        name: tuple(metric for metric in described(registry) if metric not in common)
        for name, registry in registries.items()
    }
    return {"Every service": common, **own}


def described(registry: CollectorRegistry) -> tuple[Described, ...]:
    """What a registry holds, in the order of the names."""
    collectors: Mapping[Collector, object] = registry._collector_to_names  # noqa: SLF001 - there is no public way.
    return tuple(sorted((each for one in collectors for each in _described(one)), key=lambda metric: metric.name))


def _described(collector: Collector) -> Iterator[Described]:
    for family in collector.collect():
        name = f"{family.name}{_SUFFIX.get(family.type, '')}"
        yield Described(name, family.type, tuple(_labels(collector, family)), family.documentation)


def _labels(collector: Collector, family: Metric) -> Iterable[str]:
    holder = collector if isinstance(collector, MetricWrapperBase) else family
    names: Iterable[str] = holder._labelnames  # type: ignore[union-attr]  # noqa: SLF001
    return names


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(_section(title, metrics) for title, metrics in services().items())])


def _section(title: str, metrics: Iterable[Described]) -> str:
    rows = [
        f"| `{m.name}` | {m.kind} | {m.unit} | {', '.join(f'`{label}`' for label in m.labels)} | {m.meaning} |"
        for m in metrics
    ]
    return "\n".join([f"## {title}\n", "| name | type | unit | labels | meaning |", "|---|---|---|---|---|", *rows, ""])
