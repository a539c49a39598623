"""Dashboards and alerts ask for nothing that is not served: every query parses, every metric and label exists."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from deploy.grafana.__main__ import FOLDER, drift
from docs.reference.metrics import Described, services
from tests.component.deploy.prometheus.promtool import promtool
from tests.unit.docs.pages import ROOT

SERVED: dict[str, Described] = {
    name: metric for metrics in services().values() for metric in metrics for name in metric.series
}
SCRAPERS_OWN = {"job", "instance", "le"}
WORDS = {"and", "or", "unless", "by", "without", "on", "ignoring", "bool", "offset"}
_GROUPED = re.compile(r"\b(?:by|without|on)\s*\(([^)]*)\)")
_SELECTOR = re.compile(r"([a-z_:][a-z0-9_:]*)\{([^}]*)\}")
_NAME = re.compile(r"(?<![\w$\"])([a-z_:][a-z0-9_:]*)\b(?!\s*\()", re.IGNORECASE)


def dashboards() -> Iterator[tuple[str, str]]:
    for path in sorted(FOLDER.glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                yield f"{path.stem}: {panel['title']}", target["expr"]


def alerts() -> Iterator[tuple[str, str]]:
    for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


QUERIES = [*dashboards(), *alerts()]


def names(query: str) -> set[str]:
    """The metrics that a query reads: its words outside of braces, brackets and groupings that are no function."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\"[^\"]*\"", "", _GROUPED.sub("", query))
    return {name for name in _NAME.findall(bare) if name not in WORDS}


def labels(query: str) -> set[str]:
    """Every label that it selects or groups by."""
    grouped = {label.strip() for group in _GROUPED.findall(query) for label in group.split(",")}
    return grouped | {
        label for _, inside in _SELECTOR.findall(query) for label in re.findall(r"(\w+)\s*(?:=|!=|=~)", inside)
    }


def test_there_are_queries() -> None:
    assert len(QUERIES) > 50
    assert names('sum by (job) (rate(a_total{x="y"}[5m])) > 3 or b and on (z) c') == {"a_total", "b", "c"}


def test_every_query_parses(tmp_path: Path) -> None:
    rules = [
        {"record": f"q{number}", "expr": query.replace("$__rate_interval", "5m")}
        for number, (_, query) in enumerate(QUERIES)
    ]
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    promtool("check", "rules", "--lint=none", "queries.yml", cwd=tmp_path)


@pytest.mark.parametrize(("where", "query"), QUERIES)
def test_every_metric_and_label_is_served(where: str, query: str) -> None:
    asked = names(query)
    assert asked
    assert asked - {"up"} <= set(SERVED)
    known = {label for name in asked - {"up"} for label in SERVED[name].labels}
    assert labels(query) <= known | SCRAPERS_OWN


def test_every_metric_is_on_a_dashboard() -> None:
    shown = {SERVED[name].name for _, query in dashboards() for name in names(query) - {"up"}}
    # The first is shown as ingest sees it, the second shows in the deliveries; the third says nothing by itself.
    left_out = {"lorabus_trainer_oldest_waiting_seconds", "lorabus_webhook_gone", "process_virtual_memory_bytes"}
    assert {metric.name for metric in SERVED.values()} - shown <= left_out


def test_the_dashboards_are_what_the_tables_say() -> None:
    assert drift() == [], "run `python -m deploy.grafana`"


def test_a_dashboard_that_differs_or_is_left_over_is_named(tmp_path: Path) -> None:
    (tmp_path / "gone.json").write_text("{}")
    assert drift(tmp_path) == ["edges.json", "gone.json", "jobs.json", "training.json"]
