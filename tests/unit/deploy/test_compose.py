"""The compose file and the Dockerfiles say only what exists: variables, commands, paths, versions."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.native.versions import KAFKA
from services.common.settings import Settings
from services.ingest.settings import IngestSettings
from services.publisher.settings import PublisherSettings
from services.trainer.settings import TrainerSettings

ROOT = Path(__file__).parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SETTINGS: dict[str, type[Settings]] = {
    "ingest": IngestSettings,
    "trainer": TrainerSettings,
    "publisher": PublisherSettings,
}
BUILT = [name for name, service in SERVICES.items() if "build" in service]


def variables(service: str) -> dict[str, str]:
    """The service's own settings, as its container sees them."""
    environment = SERVICES[service].get("environment", {})
    return {name: value for name, value in environment.items() if name.startswith("LORABUS_")}


def dockerfile(service: str) -> str:
    return (ROOT / str(SERVICES[service]["build"]["dockerfile"])).read_text()


def copied(service: str) -> list[str]:
    """The paths that its image takes from here."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", dockerfile(service), re.MULTILINE)
    return [path for line in lines for path in line.split()[:-1]]


def test_it_has_the_parts_of_the_stack_and_the_three_services() -> None:
    seen = {"jaeger", "prometheus", "grafana"}
    assert set(SERVICES) == {"kafka", "minio", "registry", "topics", "bucket", *seen, *SETTINGS}


@pytest.mark.parametrize("service", BUILT)
def test_every_variable_is_a_setting_of_its_service(service: str) -> None:
    settings = SETTINGS.get(service, Settings)
    known = {f"LORABUS_{name.upper()}" for name in settings.model_fields}
    assert set(variables(service)) <= known


@pytest.mark.parametrize("service", SETTINGS)
def test_the_settings_can_be_read_and_point_at_the_other_parts(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables(service).items():
        monkeypatch.setenv(name, value)
    settings = SETTINGS[service]()
    assert settings.kafka == "kafka:19092"
    assert settings.s3_endpoint == "http://minio:9000"
    assert settings.insecure_registries == ("registry:5000",)
    assert settings.s3_secret_key_file == Path("/run/secrets/s3-secret-key")


def test_an_open_address_comes_with_tokens() -> None:
    assert variables("ingest")["LORABUS_HTTP_ADDR"].startswith("0.0.0.0:")
    assert variables("ingest")["LORABUS_API_TOKENS_FILE"] == "/run/secrets/api-token"


def test_no_secret_stands_in_an_environment() -> None:
    named = [f"{name}.{key}" for name, service in SERVICES.items() for key in service.get("environment", {})]
    secret = re.compile(r"(SECRET_KEY|PASSWORD|TOKEN)$")
    assert [name for name in named if secret.search(name)] == []


def test_secrets_are_files_which_alone_a_read_only_container_can_be_given() -> None:
    assert [service for service in SERVICES.values() if service.get("read_only") and service.get("secrets")]
    files = [ROOT / "deploy" / secret["file"] for secret in COMPOSE["secrets"].values()]
    assert {file.resolve().parent for file in files} == {ROOT / ".lorabus/compose"}


def test_what_runs_once_is_waited_for_or_up_would_call_its_end_a_failure() -> None:
    once = {name for name, service in SERVICES.items() if "restart" not in service}
    waited = {
        name
        for service in SERVICES.values()
        for name, how in service.get("depends_on", {}).items()
        if how["condition"] == "service_completed_successfully"
    }
    assert once == waited == {"topics", "bucket"}


def test_ports_are_published_on_loopback_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


@pytest.mark.parametrize("kind", ["secrets", "volumes"])
def test_what_a_service_mounts_is_declared_and_used(kind: str) -> None:
    used = {
        entry.split(":")[0]
        for service in SERVICES.values()
        for entry in service.get(kind, [])
        if not entry.startswith(".")
    }
    assert used == set(COMPOSE[kind])


def test_what_is_mounted_from_here_is_there() -> None:
    mounted = [entry for service in SERVICES.values() for entry in service.get("volumes", [])]
    files = [entry.split(":")[0] for entry in mounted if entry.startswith("./")]
    assert files
    assert [path for path in files if not (ROOT / "deploy" / path).exists()] == []


@pytest.mark.parametrize("service", SETTINGS)
def test_prometheus_asks_each_service_where_it_answers(service: str) -> None:
    setting = "LORABUS_HTTP_ADDR" if service == "ingest" else "LORABUS_HEALTH_ADDR"
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    (job,) = (job for job in scraped if job["job_name"] == service)
    (found,) = job["dns_sd_configs"]
    assert found["names"] == [service]
    assert str(found["port"]) == variables(service)[setting].rpartition(":")[2]
    token = variables(service).get("LORABUS_API_TOKENS_FILE")
    assert job.get("authorization", {}).get("credentials_file") == token
    if token:
        assert Path(token).name in SERVICES["prometheus"]["secrets"]


def test_grafana_is_told_where_prometheus_is_and_where_the_dashboards_are() -> None:
    folder = ROOT / "deploy/grafana/provisioning"
    (source,) = (
        source
        for source in yaml.safe_load((folder / "datasources/prometheus.yaml").read_text())["datasources"]
        if source["type"] == "prometheus"
    )
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((folder / "dashboards/lorabus.yaml").read_text())["providers"]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in SERVICES["grafana"]["volumes"]
    for path in (ROOT / "deploy/grafana/dashboards").iterdir():
        dashboard = json.loads(path.read_text())
        assert {target["datasource"]["uid"] for panel in dashboard["panels"] for target in panel["targets"]} == {
            source["uid"]
        }


def test_each_waits_for_what_exists_and_can_be_waited_for() -> None:
    for service in SERVICES.values():
        for name, how in service.get("depends_on", {}).items():
            assert name in SERVICES
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[name]


def test_kafka_is_the_one_that_runs_natively() -> None:
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{KAFKA}"


@pytest.mark.parametrize("service", BUILT)
def test_its_command_is_one_of_ours(service: str) -> None:
    from typer.main import get_command

    from lorabus.cli.app import app

    program, name, argument = SERVICES[service]["command"]
    assert program == "lorabus"
    assert name in get_command(app).commands  # type: ignore[attr-defined]
    assert (name, argument) in {*(("serve", service) for service in SETTINGS), ("topics", "apply")}


@pytest.mark.parametrize("service", BUILT)
def test_its_image_is_made_of_paths_that_exist(service: str) -> None:
    assert copied(service)
    assert [path for path in copied(service) if not (ROOT / path).exists()] == []


def test_the_builder_is_sent_what_is_copied_and_nothing_else() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert (lines[0], lines[-1]) == ("*", "**/__pycache__")
    sent = {line.removeprefix("!") for line in lines[1:-1]}
    assert sent == {path.partition("/")[0] for service in BUILT for path in copied(service)}


@pytest.mark.parametrize("service", SETTINGS)
def test_its_image_installs_pinned_packages_and_runs_as_nobody_special(service: str) -> None:
    text = dockerfile(service)
    assert f"--require-hashes -r requirements/{service}.txt" in text
    assert "--hash=sha256:" in (ROOT / "requirements" / f"{service}.txt").read_text()
    assert re.search(r"^USER [1-9]\d+$", text, re.MULTILINE)
    assert f'CMD ["lorabus", "serve", "{service}"]' in text


@pytest.mark.parametrize("service", SETTINGS)
def test_its_image_asks_for_health_where_the_service_answers(service: str) -> None:
    setting = "LORABUS_HTTP_ADDR" if service == "ingest" else "LORABUS_HEALTH_ADDR"
    port = variables(service)[setting].rpartition(":")[2]
    assert f"http://127.0.0.1:{port}/healthz" in dockerfile(service)
