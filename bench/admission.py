"""How fast ingest accepts, beside a bare FastStream service that only echoes, on the same broker in the same run.

python bench/admission.py [--requests 5000] [--seconds 20]

Both services run as processes of their own, one of each, on a real broker and a file store. Throughput: all requests
are handed over as fast as the producer takes them; the clock stops with the last answer. Latency: 100 requests a
second; from the call of `send` to the answer in this process's hands. Before that each service and the broker run at
that rate for as long, unmeasured: a JVM that has just started compiles for its first half minute. Every request is a
Workspace of another name; all bring the same ConfigMap, which ingest reads once.

Ingest writes two new files for each request, the echo service none. What a new file costs here is printed: on ext4 it
varies between 45 and 400 us, most after many files were made or removed, which a run of this or of the tests does.
"""

import argparse
import asyncio
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import psutil
import stamina
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from deploy.native.stack import KAFKA, Supervisor
from schemas.envelope import Envelope, encode
from schemas.topics import EVENTS, PARTITIONS, REQUESTS, full_type
from services.common.folder_files import create_file
from services.common.kafka.topics import apply_topics
from services.common.settings import Settings

RATE = 100
PATIENCE = 120
LINGER_MS = 1
"""How long the producer gathers records of a burst; a paced request leaves at once."""
ECHO_IN, ECHO_OUT = "bench.in", "bench.out"
WORKSPACE: dict[str, Any] = {
    "apiVersion": "kaito.sh/v1beta1",
    "kind": "Workspace",
    "resource": {"instanceType": "Standard_NC24ads_A100_v4", "labelSelector": {"matchLabels": {"apps": "bench"}}},
    "tuning": {
        "preset": {"name": "tiny"},
        "method": "lora",
        "config": "bench",
        "input": {"urls": ["https://data.example.com/rows.jsonl"]},
        "output": {"image": "registry.example.com/bench:1", "imagePushSecret": "push"},
    },
}
CONFIG = "training_config:\n  LoraConfig:\n    r: 16\n    lora_alpha: 32\n  TrainingArguments:\n    max_steps: 10\n"
Record = tuple[str, bytes, list[tuple[str, str | bytes | None]]]


class Peer:
    """One service under test: where requests go, and how an answer names the request that it belongs to."""

    def __init__(self, name: str, answers: str, make: Callable[[str], Record], answered: str) -> None:
        self.name, self.answers, self.make, self.answered = name, answers, make, answered.encode()


def tuning_request(request_id: str) -> Record:
    data: dict[str, object] = {
        "workspace": {**WORKSPACE, "metadata": {"name": request_id}},
        "configMaps": {"bench": {"training_config.yaml": CONFIG}},
    }
    value, headers = encode(Envelope(type=full_type("tuning.request"), source="bench", id=request_id, data=data))
    return REQUESTS.name, value or b"", list(headers)


def echo_request(request_id: str) -> Record:
    _, value, headers = tuning_request(request_id)
    return ECHO_IN, value, headers


class Driver:
    """Sends requests and notes when each was answered first. librdkafka's threads do most of it, so that the two cores
    are left to those who are measured."""

    def __init__(self, kafka: str, peer: Peer, linger_ms: int) -> None:
        self._peer = peer
        self._producer = Producer({"bootstrap.servers": kafka, "acks": "all", "linger.ms": linger_ms})
        self._consumer = Consumer({"bootstrap.servers": kafka, "group.id": "bench", "enable.auto.commit": False})
        self.sent: dict[str, float] = {}
        self.answered: dict[str, float] = {}

    def __enter__(self) -> Self:
        topic = self._peer.answers
        places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        for place in places:
            for attempt in stamina.retry_context(on=KafkaException, timeout=PATIENCE):  # A new topic has no leader yet.
                with attempt:
                    _, place.offset = self._consumer.get_watermark_offsets(place, timeout=1)
        self._consumer.assign(places)
        return self

    def __exit__(self, *_: object) -> None:
        self._producer.flush(PATIENCE)
        self._consumer.close()

    def send(self, request_id: str, record: Record) -> None:
        topic, value, headers = record
        self.sent[request_id] = time.perf_counter()
        self._producer.produce(topic, value=value, headers=headers)

    def listen(self, until: float, wanted: int) -> None:
        """Take answers until that time or until there are so many."""
        while len(self.answered) < wanted and (left := until - time.perf_counter()) > 0:
            for record in self._consumer.consume(500, timeout=min(left, 0.001)):
                named = list(record.headers() or ())
                headers = {name: text if isinstance(text, bytes) else b"" for name, text in named}
                if self._peer.answered in (b"", headers.get("ce_type")):
                    answer_to = headers.get("ce_requestid") or headers.get("ce_id") or b""
                    self.answered.setdefault(answer_to.decode(), time.perf_counter())


def drive(kafka: str, peer: Peer, requests: int, tag: str, rate: float = math.inf) -> Driver:
    """All at once, or so many a second; ends with the last answer."""
    records = {name: peer.make(name) for name in (f"{tag}{number}" for number in range(requests))}
    with Driver(kafka, peer, LINGER_MS if math.isinf(rate) else 0) as run:
        started = time.perf_counter()
        for number, (name, record) in enumerate(records.items()):
            run.listen(started + number / rate, requests)
            run.send(name, record)
        run.listen(time.perf_counter() + PATIENCE, requests)
    if len(run.answered) < requests:
        raise TimeoutError
    return run


def throughput(kafka: str, peer: Peer, requests: int, tag: str) -> float:
    run = drive(kafka, peer, requests, tag)
    return requests / (max(run.answered.values()) - min(run.sent.values()))


def latency(kafka: str, peer: Peer, seconds: float, tag: str) -> list[float]:
    run = drive(kafka, peer, int(seconds * RATE), tag, RATE)
    return sorted((answered - run.sent[name]) * 1000 for name, answered in run.answered.items())


@contextmanager
def process(arguments: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as file:
        running = subprocess.Popen(arguments, env={**os.environ, **environment}, stdout=file, stderr=file)
    try:
        yield running
    finally:
        running.terminate()
        running.wait(30)


async def make_topics(kafka: str) -> None:
    await apply_topics(Settings(kafka=kafka))
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in (ECHO_IN, ECHO_OUT)])
    finally:
        await admin.close()


def microseconds_of_a_file(folder: Path, count: int = 2000) -> float:
    """What the store's folder takes now for a new small object, as ingest writes it."""
    before = time.perf_counter()
    for number in range(count):
        create_file(folder, f"{number}/spec.json", bytes(3000))
    return (time.perf_counter() - before) / count * 1e6


def measure(kafka: str, peer: Peer, requests: int, seconds: float, running: psutil.Process) -> dict[str, float]:
    throughput(kafka, peer, 200, f"warm-{peer.name}-")
    latency(kafka, peer, seconds, f"settling-{peer.name}-")
    # First, because much of what 5,000 requests leave to do is done after the last answer.
    times = latency(kafka, peer, seconds, f"slow-{peer.name}-")
    before = sum(running.cpu_times()[:2])
    rate = throughput(kafka, peer, requests, f"many-{peer.name}-")
    cpu = (sum(running.cpu_times()[:2]) - before) / requests * 1000
    return {"rate": rate, "cpu_ms": cpu, "p50": statistics.median(times), "p99": times[int(len(times) * 0.99)]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=20)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lorabus-bench-") as folder:
        home = Path(folder)
        supervisor = Supervisor(home / "stack", say=lambda line: print(line, file=sys.stderr), usual_ports=False)
        kafka = supervisor.up([KAFKA])["kafka"].address
        try:
            print(f"a new file of the store takes {microseconds_of_a_file(home / 'files'):.0f} us")
            report(compare(kafka, home, asked.requests, asked.seconds), asked.requests, asked.seconds)
        finally:
            supervisor.down()


def compare(kafka: str, home: Path, requests: int, seconds: float) -> dict[str, dict[str, float]]:
    asyncio.run(make_topics(kafka))
    secret = home / "secrets" / "push"
    secret.mkdir(parents=True)
    (secret / ".dockerconfigjson").write_text("{}")
    environment = {"LORABUS_KAFKA": kafka, "LORABUS_HOME": str(home), "LORABUS_HTTP_ADDR": "127.0.0.1:0"}
    echo = [sys.executable, str(Path(__file__).with_name("echo_service.py")), kafka, ECHO_IN, ECHO_OUT]
    ingest = [sys.executable, "-m", "services.ingest"]
    found = {}
    for peer, arguments in (
        (Peer("echo", ECHO_OUT, echo_request, ""), echo),
        (Peer("ingest", EVENTS.name, tuning_request, full_type("job.accepted")), ingest),
    ):
        log = home / f"{peer.name}.log"
        with process(arguments, environment, log) as running:
            try:
                found[peer.name] = measure(kafka, peer, requests, seconds, psutil.Process(running.pid))
            except TimeoutError:
                sys.exit(f"{peer.name} does not answer; it says:\n{log.read_text()[-2000:]}")
    return found


def report(found: dict[str, dict[str, float]], requests: int, seconds: float) -> None:
    print(f"{RATE} requests/s for {seconds:g} s, then {requests} at once, {os.cpu_count()} cores")
    for name, figures in found.items():
        print(
            f"{name:8} {figures['rate']:8.0f} requests/s   p50 {figures['p50']:6.1f} ms   p99 {figures['p99']:6.1f} ms"
        )
    print(f"ingest / echo: {found['ingest']['rate'] / found['echo']['rate']:.2f}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
