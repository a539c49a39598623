"""Each real server does what the system relies on it for."""

import hashlib
import http.client
import json
import socket
import time
from contextlib import closing
from typing import NamedTuple

import obstore
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from obstore.exceptions import AlreadyExistsError
from obstore.store import S3Store

from deploy.native.minio import Server
from deploy.native.stack import Supervisor
from deploy.native.toxiproxy import Toxiproxy


async def test_kafka_takes_and_gives_a_message_to_a_group(kafka_bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic("native.servers", 3, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, enable_idempotence=True)
    consumer = AIOKafkaConsumer(
        "native.servers", bootstrap_servers=kafka_bootstrap, group_id="native", auto_offset_reset="earliest"
    )
    await producer.start()
    await consumer.start()
    try:
        await producer.send_and_wait("native.servers", b"adapter", key=b"job")
        message = await consumer.getone()
        assert (message.key, message.value) == (b"job", b"adapter")
    finally:
        await consumer.stop()
        await producer.stop()


async def test_kafka_makes_no_topic_by_accident(kafka_bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    try:
        described = await admin.describe_topics(["native.never-declared"])
        assert described[0]["error_code"] == 3
        assert "native.never-declared" not in await admin.list_topics()
    finally:
        await admin.close()


def test_minio_refuses_a_second_create(minio_server: Server, minio_bucket: str) -> None:
    store = S3Store(
        minio_bucket,
        endpoint=minio_server.endpoint,
        access_key_id=minio_server.login.access_key,
        secret_access_key=minio_server.login.secret_key,
        client_options={"allow_http": True},
    )
    obstore.put(store, "jobs/a/attempts/1.json", b"mine", mode="create")
    with pytest.raises(AlreadyExistsError):
        obstore.put(store, "jobs/a/attempts/1.json", b"yours", mode="create")
    assert bytes(obstore.get(store, "jobs/a/attempts/1.json").bytes()) == b"mine"


def test_minio_creates_a_bucket_that_is_there_without_complaint(minio_server: Server, minio_bucket: str) -> None:
    minio_server.create_bucket(minio_bucket)


def test_minio_keeps_its_secret_to_its_owner(minio_server: Server, native_stack: Supervisor) -> None:
    secret = minio_server.login.secret_key
    assert minio_server.login.secret_key_file.stat().st_mode & 0o077 == 0
    written = [path for folder in ("run", "logs") for path in (native_stack.home / folder).iterdir()]
    assert not [path for path in written if secret in path.read_text()]
    assert secret not in repr(minio_server)


def test_registry_takes_a_blob_and_gives_it_back_by_digest(registry_address: str) -> None:
    blob = b"a layer"
    digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
    location = _ask(registry_address, "POST", "/v2/adapters/tiny/blobs/uploads/").location
    upload = location.removeprefix(f"http://{registry_address}")
    assert _ask(registry_address, "PUT", f"{upload}&digest={digest}", blob).status == 201
    assert _ask(registry_address, "GET", f"/v2/adapters/tiny/blobs/{digest}").body == blob
    assert _ask(registry_address, "DELETE", f"/v2/adapters/tiny/blobs/{digest}").status == 202
    assert _ask(registry_address, "GET", f"/v2/adapters/tiny/blobs/{digest}").status == 404


def test_zipkin_keeps_a_span_and_gives_its_trace(zipkin_url: str) -> None:
    span = {"traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "id": "00f067aa0ba902b7", "name": "accept"}
    spans = json.dumps([{**span, "timestamp": 1_700_000_000_000_000, "duration": 5}]).encode()
    address = zipkin_url.removeprefix("http://")
    assert _ask(address, "POST", "/api/v2/spans", spans, "application/json").status == 202
    trace = json.loads(_ask(address, "GET", f"/api/v2/trace/{span['traceId']}").body)
    assert [found["name"] for found in trace] == ["accept"]


def test_toxiproxy_cuts_and_mends_a_link(toxiproxy: Toxiproxy, registry_address: str) -> None:
    link = toxiproxy.link(registry_address)
    assert _ask(link.address, "GET", "/v2/").status == 200
    link.cut()
    host, port = link.address.split(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=5)
    link.mend()
    assert _ask(link.address, "GET", "/v2/").status == 200
    link.remove()


def test_toxiproxy_slows_a_link_until_it_is_mended(toxiproxy: Toxiproxy, registry_address: str) -> None:
    link = toxiproxy.link(registry_address)
    link.add("latency", latency=300)
    began = time.monotonic()
    assert _ask(link.address, "GET", "/v2/").status == 200
    assert time.monotonic() - began >= 0.3
    link.mend()
    link.remove()


class Answer(NamedTuple):
    """What a server said."""

    status: int
    location: str
    body: bytes


def _ask(address: str, method: str, path: str, body: bytes = b"", kind: str = "application/octet-stream") -> Answer:
    connection = http.client.HTTPConnection(address, timeout=10)
    with closing(connection):
        connection.request(method, path, body, {"Content-Type": kind})
        response = connection.getresponse()
        return Answer(response.status, response.headers.get("Location", ""), response.read())
