"""Settings come from `LORABUS_*`, and everything local lies below the home."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from services.common.errors import StartError
from services.common.kafka.connection import client_options
from services.common.object_store import open_store
from services.common.settings import Settings, in_words, settings_of


def test_the_defaults_lie_below_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LORABUS_HOME", str(tmp_path))
    settings = Settings()
    assert settings.store == f"file://{tmp_path}/store"
    assert settings.models == f"{tmp_path}/models"
    assert settings.secrets_dir == tmp_path / "secrets"
    assert settings.volumes_dir == tmp_path / "volumes"


def test_lists_are_split_at_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORABUS_INSECURE_REGISTRIES", "127.0.0.1:5000, registry:80")
    monkeypatch.setenv("LORABUS_HOST_PATHS", "/data,/mnt")
    settings = Settings()
    assert settings.insecure_registries == ("127.0.0.1:5000", "registry:80")
    assert settings.host_paths == (Path("/data"), Path("/mnt"))


def test_a_secret_key_is_never_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("from-file\n")
    monkeypatch.setenv("LORABUS_S3_SECRET_KEY", "in-the-open")
    assert "in-the-open" not in repr(Settings())
    assert Settings().s3_secret() == "in-the-open"
    monkeypatch.setenv("LORABUS_S3_SECRET_KEY_FILE", str(file))
    assert Settings().s3_secret() == "from-file"


@pytest.mark.parametrize("address", ["8080", ":8080", "host:", "host:x", "host:70000", "http://127.0.0.1:8080"])
def test_a_malformed_address_is_named_with_its_variable(address: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(http_addr=address)
    assert in_words(caught.value) == (f"LORABUS_HTTP_ADDR: must be host:port, such as 127.0.0.1:8080, not {address!r}")


@pytest.mark.parametrize("brokers", ["127.0.0.1:99999", "kafka://a:9092", "a:9092,b:x", "a:1,,b:1"])
def test_malformed_brokers_are_named(brokers: str) -> None:
    with pytest.raises(ValidationError, match="must be host:port, such as"):
        Settings(kafka=brokers)


@pytest.mark.parametrize("brokers", ["a", "a:9092, b", "[::1]:9092", "A.example.com:1"])
def test_brokers_may_leave_out_the_usual_port(brokers: str) -> None:
    assert Settings(kafka=brokers).kafka == brokers


def test_security_is_written_as_kafka_writes_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORABUS_KAFKA_SECURITY", "SASL_SSL")
    assert Settings().kafka_security == "sasl_ssl"


def test_a_service_names_the_settings_that_it_cannot_use(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LORABUS_LEASE_SECONDS", "soon")
    monkeypatch.setenv("LORABUS_KAFKA_SECURITY", "none")
    with pytest.raises(SystemExit) as caught:
        settings_of(Settings)
    said = capsys.readouterr().err
    assert caught.value.code == 2
    assert "LORABUS_LEASE_SECONDS: Input should be a valid number" in said
    assert "LORABUS_KAFKA_SECURITY: Input should be 'plaintext'" in said


def test_a_bucket_needs_neither_an_endpoint_nor_a_login() -> None:
    assert open_store(Settings(store="s3://bucket/prefix")).address == "s3://bucket/prefix"


def test_an_access_key_without_its_secret_is_refused() -> None:
    with pytest.raises(StartError, match="LORABUS_S3_SECRET_KEY_FILE"):
        open_store(Settings(store="s3://bucket", s3_access_key="me"))


def test_files_that_are_not_there_are_named_with_their_variable(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    with pytest.raises(StartError, match=r"LORABUS_S3_SECRET_KEY_FILE .*absent: No such file"):
        Settings(s3_secret_key_file=absent).s3_secret()
    with pytest.raises(StartError, match="LORABUS_S3_CA_FILE"):
        open_store(Settings(store="s3://bucket", s3_ca_file=absent))
    with pytest.raises(StartError, match="LORABUS_KAFKA_CA_FILE"):
        client_options(Settings(kafka_security="ssl", kafka_ca_file=absent))
    with pytest.raises(StartError, match="LORABUS_KAFKA_PASSWORD_FILE"):
        client_options(Settings(kafka_security="sasl_plaintext", kafka_username="me", kafka_password_file=absent))
