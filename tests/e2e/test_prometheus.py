"""Proves alerts and dashboards with a real Prometheus, started with the project's own files over the running services.

Only targets, intervals and how long an alert has to wait differ. One target more is never up. No job has to run: what a
dashboard shows begins at 0, or nobody would see what happens first.
"""

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

from deploy.grafana.panels import DASHBOARDS
from deploy.native.process import free_port
from tests.component.deploy.prometheus.promtool import program
from tests.e2e.system import NOBODY, PATIENCE, System, until
from tests.unit.docs.pages import ROOT

FOLDER = ROOT / "deploy" / "prometheus"
OFTEN = "250ms"
MAY_BE_SILENT = {
    # No endpoint is configured.
    "Webhooks",
    "Oldest waiting webhook",
    "Deliveries of webhooks",
    # The store's own words for its faults are not known before.
    "Errors of the store",
    # They leave out zeros.
    "Failures by reason",
    "Since the last progress",
    "Age of the last checkpoint",
}


@dataclass(frozen=True)
class Prometheus:
    """One that runs; `services` are the addresses that it scrapes."""

    address: str
    services: frozenset[str]

    def ask(self, path: str, **query: str) -> Any:
        url = f"http://{self.address}/api/v1/{path}?{urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as refused:
            pytest.fail(f"{path} {query}: {refused.read().decode()}")

    def rules(self) -> list[dict[str, Any]]:
        return [rule for group in self.ask("rules")["groups"] for rule in group["rules"]]


@pytest.fixture(scope="module")
def prometheus(embedded: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder, address = tmp_path_factory.mktemp("prometheus"), f"127.0.0.1:{free_port()}"
    parts = embedded.status()
    services = {name: str(parts[name]["address"]) for name in ("ingest", "trainer", "publisher")}
    configure(folder, services)
    options = ("--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=warn")
    with (folder / "log").open("wb") as log:
        command = [program("prometheus"), *options, f"--web.listen-address={address}"]
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        until(lambda: process.poll() is not None or answers(address), "Prometheus")
        assert process.poll() is None, (folder / "log").read_text()
        yield Prometheus(address, frozenset(services.values()))
    finally:
        process.kill()
        process.wait(PATIENCE)


def configure(folder: Path, addresses: dict[str, str]) -> None:
    """Write the project's files with these targets; publishers have one more, where nobody answers."""
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": OFTEN, "evaluation_interval": OFTEN}
    for job in config["scrape_configs"]:
        job.pop("dns_sd_configs")
        more = [NOBODY] if job["job_name"] == "publisher" else []
        job["static_configs"] = [{"targets": [addresses[job["job_name"]], *more]}]
        if "authorization" in job:
            job["authorization"]["credentials_file"] = "token"
    alerts = yaml.safe_load((FOLDER / "alerts.yml").read_text())
    for rule in alerts["groups"][0]["rules"]:
        rule.pop("for", None)
    (folder / "token").write_text("nobody-asks-for-it")
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    (folder / "alerts.yml").write_text(yaml.safe_dump(alerts))


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/-/ready", timeout=30) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_every_service_is_scraped_and_every_rule_evaluates(prometheus: Prometheus) -> None:
    def targets() -> dict[str, str]:
        found = prometheus.ask("targets")["activeTargets"]
        return {target["labels"]["instance"]: target["health"] for target in found}

    wanted = {**dict.fromkeys(prometheus.services, "up"), NOBODY: "down"}
    until(lambda: targets() == wanted, f"targets to be {wanted}")
    until(lambda: all(rule["lastEvaluation"] > "0002" for rule in prometheus.rules()), "each rule's evaluation")
    rules = prometheus.rules()
    assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] != "ok"} == {}
    assert len(rules) > 10


def test_the_alert_fires_for_the_process_that_is_away_alone(prometheus: Prometheus) -> None:
    """Until the first scrape nothing is up, and Kafka was never heard of."""
    watched = {"LorabusServiceDown", "LorabusKafkaAway"}

    def firing() -> set[tuple[str, str]]:
        alerts = (alert["labels"] for alert in prometheus.ask("alerts")["alerts"])
        return {(each["alertname"], each.get("instance", "")) for each in alerts if each["alertname"] in watched}

    until(lambda: firing() == {("LorabusServiceDown", NOBODY)}, "one alert, for the process that is away")


def test_every_panel_shows_something_before_anything_has_happened(prometheus: Prometheus) -> None:
    queries = [(panel.title, query) for panels in DASHBOARDS.values() for panel in panels for query in panel.queries]

    def silent() -> set[str]:
        wide = [(title, query.replace("$__rate_interval", "1m")) for title, query in queries]
        return {title for title, query in wide if not prometheus.ask("query", query=query)["result"]}

    until(lambda: silent() <= MAY_BE_SILENT, f"all panels but {sorted(MAY_BE_SILENT)}")
