"""Each alert fires on what it should, alone, and none fires on a healthy system; judged by Prometheus's own engine."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from docs.reference.metrics import services
from tests.component.deploy.prometheus.promtool import promtool
from tests.unit.docs.pages import ROOT, anchors

FOLDER = ROOT / "deploy" / "prometheus"
RULES: list[dict[str, Any]] = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]
SERVICES = ("ingest", "trainer", "publisher")
AT = "60m"
Series = Mapping[str, str]


def buckets(name: str, labels: str, fast: str, slow: str) -> dict[str, str]:
    """A histogram whose observations lie below the first bound, or beyond the second."""
    return {
        f'{name}_bucket{{{labels},le="{bound}"}}': values
        for bound, values in (("0.005", fast), ("10.0", slow), ("+Inf", slow))
    }


STORE, STORE_LABELS = "lorabus_store_request_duration_seconds", 'job="trainer",operation="put"'
REGISTRY, REGISTRY_LABELS = "lorabus_registry_request_duration_seconds", 'job="publisher",method="HEAD"'
FETCHED = "lorabus_consumer_fetch_timestamp_seconds"
LOOP, LOOP_LABELS = "lorabus_event_loop_delay_seconds", 'job="ingest",instance="i"'
FAST, NONE = "0+60x60", "0x60"
HEALTHY: Series = {
    **{f'up{{job="{job}",instance="i"}}': "1x60" for job in SERVICES},
    'process_start_time_seconds{job="trainer",instance="i"}': "7x30 1000x30",
    f'{FETCHED}{{job="ingest",instance="i",topic="tuning.events.v1"}}': "0+60x60",
    'lorabus_jobs_oldest_age_seconds{job="ingest",state="pending"}': "60x60",
    'lorabus_jobs_oldest_age_seconds{job="ingest",state="succeeded"}': "900000x60",
    'lorabus_jobs_ended_total{job="ingest",state="failed",reason="DatasetInvalid"}': "0+1x60",
    'lorabus_jobs_ended_total{job="ingest",state="failed",reason="AttemptsExhausted"}': "3x60",
    'lorabus_jobs_ended_total{job="ingest",state="failed",reason="RegistryUnavailable"}': "3x60",
    'lorabus_trainer_busy{job="trainer",instance="i"}': "1x60",
    'lorabus_trainer_progress_timestamp_seconds{job="trainer",instance="i"}': "0+60x60",
    'lorabus_trainer_busy{job="trainer",instance="idle"}': "0x60",
    'lorabus_trainer_progress_timestamp_seconds{job="trainer",instance="idle"}': "0x60",
    'lorabus_trainer_leases_lost_total{job="trainer"}': "2x60",
    'lorabus_dead_letters_total{job="ingest"}': "7x60",
    'lorabus_consumer_lag_records{job="ingest",topic="tuning.events.v1"}': "900x60",
    'lorabus_publisher_retries_total{job="publisher",reason="RegistryUnavailable"}': "4x60",
    'lorabus_store_errors_total{job="trainer",operation="put",error="GenericError"}': "0 0 1x58",
    f"{STORE}_count{{{STORE_LABELS}}}": FAST,
    'lorabus_store_errors_total{job="ingest",operation="put",error="GenericError"}': "0+2x60",
    f'{STORE}_count{{job="ingest",operation="put"}}': "0+900x60",
    'lorabus_registry_requests_total{job="publisher",method="GET",status="404"}': "0+60x60",
    'lorabus_registry_requests_total{job="publisher",method="GET",status="503"}': "1x60",
    'lorabus_webhook_oldest_waiting_seconds{job="ingest",endpoint="team"}': "0x30 600x30",
    'lorabus_webhook_gone{job="ingest",endpoint="team"}': "0x60",
    'lorabus_webhook_deliveries_total{job="ingest",endpoint="team",outcome="failed"}': "0+1x60",
    'lorabus_webhook_deliveries_total{job="ingest",endpoint="team",outcome="given_up"}': "4x60",
    **buckets(STORE, STORE_LABELS, FAST, FAST),
    **buckets(REGISTRY, REGISTRY_LABELS, FAST, FAST),
    **buckets(LOOP, LOOP_LABELS, FAST, FAST),
}
SCENARIOS: Mapping[str, tuple[str, Series]] = {
    "a service does not answer": ("LorabusServiceDown", {'up{job="trainer",instance="i"}': "1x10 0x50"}),
    "a service is not even scraped": ("LorabusServiceDown", {'up{job="publisher",instance="i"}': "1x10 _x50"}),
    "a service starts again and again": (
        "LorabusKeepsRestarting",
        {'process_start_time_seconds{job="trainer",instance="i"}': "0x50 1+60x10"},
    ),
    "Kafka does not answer": (
        "LorabusKafkaAway",
        {f'{FETCHED}{{job="ingest",instance="i",topic="tuning.events.v1"}}': "0+60x50 3000x10"},
    ),
    "a service has no partition": (
        "LorabusKafkaAway",
        {f'{FETCHED}{{job="publisher",instance="j",topic="tuning.adapters.v1"}}': "0x60"},
    ),
    "a job waits": (
        "LorabusJobsWaitTooLong",
        {'lorabus_jobs_oldest_age_seconds{job="ingest",state="pending"}': "0+60x60"},
    ),
    "the world fails a job": (
        "LorabusJobsFail",
        {'lorabus_jobs_ended_total{job="ingest",state="failed",reason="AttemptsExhausted"}': "0x50 1x10"},
    ),
    "a job does not move": (
        "LorabusTrainerStalled",
        {'lorabus_trainer_progress_timestamp_seconds{job="trainer",instance="i"}': "0+60x30 1800x30"},
    ),
    "a lease is lost": ("LorabusLeasesAreLost", {'lorabus_trainer_leases_lost_total{job="trainer"}': "0x50 1x10"}),
    "a record cannot be read": ("LorabusDeadLetters", {'lorabus_dead_letters_total{job="ingest"}': "0x50 1x10"}),
    "a consumer is behind": (
        "LorabusConsumerLag",
        {'lorabus_consumer_lag_records{job="ingest",topic="tuning.events.v1"}': "0x50 5000x10"},
    ),
    "pushes are tried again": (
        "LorabusPublishingFails",
        {'lorabus_publisher_retries_total{job="publisher",reason="RegistryUnavailable"}': "0x45 0+1x15"},
    ),
    "a push was refused": (
        "LorabusPublishingFails",
        {'lorabus_jobs_ended_total{job="ingest",state="failed",reason="RegistryUnavailable"}': "0x50 1x10"},
    ),
    "the store fails": (
        "LorabusStoreSlowOrAway",
        {'lorabus_store_errors_total{job="trainer",operation="put",error="GenericError"}': "0+30x60"},
    ),
    "the store refuses what little is asked": (
        "LorabusStoreSlowOrAway",
        {
            'lorabus_store_errors_total{job="publisher",operation="get",error="PermissionDeniedError"}': "0+1x60",
            f'{STORE}_count{{job="publisher",operation="get"}}': "0+1x60",
        },
    ),
    "the store is slow": ("LorabusStoreSlowOrAway", buckets(STORE, STORE_LABELS, NONE, FAST)),
    "a registry fails": (
        "LorabusRegistrySlowOrAway",
        {'lorabus_registry_requests_total{job="publisher",method="GET",status="503"}': "0+30x60"},
    ),
    "a registry cannot be reached": (
        "LorabusRegistrySlowOrAway",
        {'lorabus_registry_requests_total{job="publisher",method="GET",status="ClientConnectorError"}': "0+30x60"},
    ),
    "a registry is slow": ("LorabusRegistrySlowOrAway", buckets(REGISTRY, REGISTRY_LABELS, NONE, FAST)),
    "a webhook endpoint is down": (
        "LorabusWebhooksWait",
        {'lorabus_webhook_oldest_waiting_seconds{job="ingest",endpoint="team"}': "0+120x60"},
    ),
    "a webhook endpoint is gone": (
        "LorabusWebhooksWait",
        {'lorabus_webhook_gone{job="ingest",endpoint="team"}': "0x50 1x10"},
    ),
    "a webhook is given up": (
        "LorabusWebhooksWait",
        {'lorabus_webhook_deliveries_total{job="ingest",endpoint="team",outcome="given_up"}': "0x50 1x10"},
    ),
    "the event loop is blocked": ("LorabusEventLoopLate", buckets(LOOP, LOOP_LABELS, NONE, FAST)),
}


def scenario(name: str, series: Series, fires: str | None) -> dict[str, object]:
    """A test of promtool's: exactly this alert, or none."""
    expected = [{"labels": f'{{alertname="{fires}"}}', "value": 1}] if fires else []
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": one, "values": values} for one, values in {**HEALTHY, **series}.items()],
        "promql_expr_test": [
            {
                "expr": 'sum by (alertname) (ALERTS{alertstate="firing"}) > bool 0',
                "eval_time": AT,
                "exp_samples": expected,
            }
        ],
    }


def test_each_scenario_fires_its_alert_and_no_other(tmp_path: Path) -> None:
    tests = [scenario("all is well", {}, None)]
    tests += [scenario(name, series, fires) for name, (fires, series) in SCENARIOS.items()]
    rules = {"rule_files": [str(FOLDER / "alerts.yml")], "evaluation_interval": "5m", "tests": tests}
    (tmp_path / "alerts.test.yml").write_text(yaml.safe_dump(rules))
    promtool("test", "rules", "alerts.test.yml", cwd=tmp_path)


def test_every_alert_has_a_name_of_its_own_and_a_scenario() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    assert {rule["alert"] for rule in RULES} == {fires for fires, _ in SCENARIOS.values()}


def test_the_scenarios_speak_of_metrics_that_are() -> None:
    known = {"up", *(name for metrics in services().values() for metric in metrics for name in metric.series)}
    told = {one.partition("{")[0] for _, series in SCENARIOS.values() for one in {**HEALTHY, **series}}
    assert told <= known


def test_every_alert_leads_to_a_heading_of_the_runbook() -> None:
    known = anchors(ROOT / "docs" / "runbook.md")
    for rule in RULES:
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert page == "docs/runbook.md"
        assert anchor in known, rule["alert"]
        assert rule["labels"]["severity"] in {"page", "ticket"}


def test_prometheus_takes_the_rules_and_the_configuration() -> None:
    promtool("check", "rules", "alerts.yml", cwd=FOLDER)
    promtool("check", "config", "--syntax-only", "prometheus.yml", cwd=FOLDER)
