"""A broker that was killed comes back over its data, on its port, without being formatted again."""

import os
import signal
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.native.stack import KAFKA, Supervisor

TOPIC = "native.restart"


async def test_a_killed_broker_keeps_its_messages_and_its_identity(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path, usual_ports=False)
    try:
        before = supervisor.up([KAFKA])["kafka"]
        identity = (tmp_path / "kafka" / "data" / "meta.properties").read_text()
        await _write(before.address, [b"one", b"two"])
        os.kill(before.pid, signal.SIGKILL)
        after = supervisor.up([KAFKA])["kafka"]
        assert after.address == before.address
        assert after.pid != before.pid
        assert await _read(after.address, 2) == [b"one", b"two"]
        assert (tmp_path / "kafka" / "data" / "meta.properties").read_text() == identity
    finally:
        supervisor.down()


async def test_an_interrupted_format_is_made_again(tmp_path: Path) -> None:
    half = tmp_path / "kafka" / "data.new"
    half.mkdir(parents=True)
    (half / "bootstrap.checkpoint").write_bytes(b"half of it")
    supervisor = Supervisor(tmp_path, usual_ports=False)
    try:
        await _write(supervisor.up([KAFKA])["kafka"].address, [b"one"])
    finally:
        supervisor.down()
    assert not half.exists()


async def _write(address: str, values: list[bytes]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    await admin.create_topics([NewTopic(TOPIC, 1, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=address, enable_idempotence=True)
    await producer.start()
    for value in values:
        await producer.send_and_wait(TOPIC, value)
    await producer.stop()


async def _read(address: str, count: int) -> list[bytes | None]:
    consumer = AIOKafkaConsumer(TOPIC, bootstrap_servers=address, auto_offset_reset="earliest")
    await consumer.start()
    values = [(await consumer.getone()).value for _ in range(count)]
    await consumer.stop()
    return values
