"""The services stand on the profile's servers and are led to them, whatever the user's environment says."""

from pathlib import Path

import pytest

from deploy.native.part import Site
from deploy.native.records import Running, save
from deploy.native.stack import layers
from lorabus.cli.up import choose_profile
from lorabus.faults import BadUsage
from lorabus.system import SERVICES, parts, profile_of, service_env


@pytest.mark.parametrize(
    ("profile", "servers"), [("embedded", ["kafka"]), ("stack", ["kafka", "minio", "registry", "zipkin"])]
)
def test_the_services_come_after_all_servers(profile: str, servers: list[str]) -> None:
    below, above = layers(parts(profile))

    assert [part.name for part in below] == servers
    assert [part.name for part in above] == list(SERVICES)


def test_a_service_is_told_of_the_homes_servers_only(tmp_path: Path) -> None:
    addresses = {"kafka": "127.0.0.1:1", "ingest": "127.0.0.1:2", "registry": "127.0.0.1:3"}
    environ = {
        "PATH": "/bin",
        "LORABUS_KAFKA": "elsewhere:9092",
        "LORABUS_LEASE_SECONDS": "5",
        "LORABUS_INSECURE_REGISTRIES": "mine:5000",
    }

    env = service_env("trainer", "127.0.0.1:9", tmp_path, addresses, environ)

    assert env["LORABUS_KAFKA"] == "127.0.0.1:1"
    assert env["LORABUS_HEALTH_ADDR"] == "127.0.0.1:9"
    assert "LORABUS_HTTP_ADDR" not in env
    assert env["LORABUS_LEASE_SECONDS"] == "5"
    assert env["LORABUS_INSECURE_REGISTRIES"] == "mine:5000,127.0.0.1:3"
    assert env["LORABUS_HOME"] == str(tmp_path)


def test_ingest_listens_where_it_is_recorded(tmp_path: Path) -> None:
    env = service_env("ingest", "127.0.0.1:9", tmp_path, {"kafka": "127.0.0.1:1", "ingest": "127.0.0.1:2"}, {})

    assert env["LORABUS_HTTP_ADDR"] == "127.0.0.1:9"


def test_ingest_keeps_the_host_that_the_user_wants(tmp_path: Path) -> None:
    (ingest,) = [part for part in parts("embedded", {"LORABUS_HTTP_ADDR": "0.0.0.0:0"}) if part.name == "ingest"]

    spec = ingest.prepare(Site(tmp_path, lambda _: None))

    assert spec.address.startswith("0.0.0.0:")
    assert spec.command[1:] == ("-m", "services.ingest")


def record(home: Path, name: str) -> None:
    save(home, Running(name, 1, 0.0, "127.0.0.1:1", "", ("x",)))


def test_a_home_has_one_profile_at_a_time(tmp_path: Path) -> None:
    assert profile_of(tmp_path) is None
    assert choose_profile(None, tmp_path) == "embedded"
    assert choose_profile("stack", tmp_path) == "stack"

    record(tmp_path, "kafka")
    assert choose_profile("embedded", tmp_path) == "embedded"
    with pytest.raises(BadUsage, match="the profile embedded is up in"):
        choose_profile("stack", tmp_path)

    record(tmp_path, "zipkin")
    assert choose_profile(None, tmp_path) == profile_of(tmp_path) == "stack"


def test_an_unknown_profile_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(BadUsage, match="--profile must be embedded or stack, not 'cloud'"):
        choose_profile("cloud", tmp_path)
