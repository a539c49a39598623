"""Servers are found through the home, unless the environment names others."""

from pathlib import Path

from deploy.native.records import Running, save
from lorabus.home import adopt, home_folder, variables


def record(home: Path, name: str, address: str) -> None:
    save(home, Running(name, 1, 0.0, address, f"http://{address}", ("x",)))


def test_what_was_started_in_the_home_is_found(tmp_path: Path) -> None:
    record(tmp_path, "kafka", "127.0.0.1:1111")
    record(tmp_path, "ingest", "127.0.0.1:2222")
    environ = {"LORABUS_HOME": str(tmp_path)}

    assert adopt(environ) == tmp_path
    assert environ["LORABUS_KAFKA"] == "127.0.0.1:1111"
    assert environ["LORABUS_HTTP_ADDR"] == "127.0.0.1:2222"
    assert "LORABUS_STORE" not in environ


def test_what_the_user_set_stays(tmp_path: Path) -> None:
    record(tmp_path, "kafka", "127.0.0.1:1111")
    environ = {"LORABUS_HOME": str(tmp_path), "LORABUS_KAFKA": "kafka.example:9092"}

    adopt(environ)

    assert environ["LORABUS_KAFKA"] == "kafka.example:9092"


def test_the_stack_brings_its_bucket_registry_and_traces(tmp_path: Path) -> None:
    addresses = {"minio": "127.0.0.1:9", "registry": "127.0.0.1:5", "zipkin": "127.0.0.1:4"}

    found = variables(tmp_path, addresses)

    assert found["LORABUS_STORE"] == "s3://lorabus"
    assert found["LORABUS_S3_ENDPOINT"] == "http://127.0.0.1:9"
    assert Path(found["LORABUS_S3_SECRET_KEY_FILE"]).read_text()
    assert found["LORABUS_INSECURE_REGISTRIES"] == "127.0.0.1:5"
    assert found["OTEL_TRACES_EXPORTER"] == "zipkin"
    assert found["LORABUS_TRACE_URL"] == "http://127.0.0.1:4/zipkin/traces/{trace_id}"
    assert found["OTEL_EXPORTER_ZIPKIN_ENDPOINT"] == "http://127.0.0.1:4/api/v2/spans"


def test_a_store_of_the_users_is_never_asked_with_the_local_credentials(tmp_path: Path) -> None:
    record(tmp_path, "minio", "127.0.0.1:9")
    environ = {"LORABUS_HOME": str(tmp_path), "LORABUS_STORE": "s3://theirs"}

    adopt(environ)

    assert not [name for name in environ if name.startswith("LORABUS_S3")]


def test_the_home_is_the_working_directorys_unless_it_is_set(tmp_path: Path) -> None:
    assert home_folder({}) == Path(".lorabus").resolve()
    assert home_folder({"LORABUS_HOME": str(tmp_path)}) == tmp_path
