"""Kafka's topics as anybody may read and write them: with librdkafka, which shares no code with lorabus."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

from confluent_kafka import Consumer, Message, Producer, TopicPartition

PATIENCE = 150.0
T = TypeVar("T")


@dataclass(frozen=True)
class Record:
    """One record; `data` is None where the value is no JSON object."""

    topic: str
    key: str
    headers: dict[str, bytes]
    value: bytes

    @property
    def data(self) -> dict[str, Any]:
        """The JSON object that a well-formed record carries."""
        found: dict[str, Any] = json.loads(self.value)
        return found

    @property
    def type(self) -> str:
        """`job.accepted`; empty for what is no event."""
        return self.header("ce_type").removeprefix("lorabus.").removesuffix(".v1")

    def header(self, name: str) -> str:
        """A header as text; empty when it is absent."""
        return self.headers.get(name, b"").decode(errors="replace")


class Log:
    """Reads topics whole and remembers what came. Use as a context."""

    def __init__(self, bootstrap: str, *topics: str) -> None:
        """Start at the beginning of every partition."""
        self.bootstrap = bootstrap
        self.records: list[Record] = []
        # On one connection every question waits for the fetch before it.
        quick = {"fetch.wait.max.ms": 10, "enable.auto.commit": False}
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"test-{uuid4().hex}", **quick})
        known = self._consumer.list_topics(timeout=30).topics
        places = [TopicPartition(topic, number, 0) for topic in topics for number in known[topic].partitions]
        self._consumer.assign(places)

    def until(self, condition: Callable[[], T | None], what: str) -> T:
        """Read on until the condition gives something that counts as true."""
        deadline = time.monotonic() + PATIENCE
        while not (answer := condition()):
            assert time.monotonic() < deadline, f"waited {PATIENCE:.0f} s in vain for {what}"
            self._read(0.1)
        return answer

    def event(self, type_: str, job_id: str = "") -> Record:
        """The first event of that type, of that job or of any; waits for it."""
        return self.until(
            lambda: next((r for r in self.events(job_id) if r.type == type_), None), f"{type_} of {job_id or 'any job'}"
        )

    def end(self, job_id: str) -> Record:
        """The event that ends the job; waits for it."""
        ends = {"job.succeeded", "job.failed", "job.cancelled"}
        return self.until(lambda: next((r for r in self.events(job_id) if r.type in ends), None), f"an end of {job_id}")

    def events(self, job_id: str = "") -> list[Record]:
        """What has been read so far of the status topic."""
        return [r for r in self.records if r.topic == "tuning.events.v1" and job_id in ("", r.key)]

    def on(self, topic: str, key: str = "") -> list[Record]:
        """What has been read so far of a topic."""
        return [record for record in self.records if record.topic == topic and key in ("", record.key)]

    def all(self) -> list[Record]:
        """Everything up to where the topics end now."""
        ends = {
            (place.topic, place.partition): self._consumer.get_watermark_offsets(place, timeout=30)[1]
            for place in self._consumer.assignment()
        }
        self.until(lambda: self._reached(ends), "the end of the topics")
        return self.records

    def _reached(self, ends: dict[tuple[str, int], int]) -> bool:
        positions = self._consumer.position(self._consumer.assignment())
        return all(place.offset >= ends[place.topic, place.partition] for place in positions if _full(place, ends))

    def _read(self, seconds: float) -> None:
        self.records += [_record(message) for message in self._consumer.consume(500, seconds) if not message.error()]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._consumer.close()


def send(bootstrap: str, topic: str, value: bytes | None, *, key: bytes | None = None, **headers: bytes) -> None:
    """Publish one record and wait until the broker has it."""
    _send(bootstrap, [{"topic": topic, "value": value, "key": key, "headers": list(headers.items())}])


def send_all(bootstrap: str, topic: str, values: list[bytes]) -> None:
    """Publish records without keys or headers, all at once."""
    _send(bootstrap, [{"topic": topic, "value": value} for value in values])


def _send(bootstrap: str, records: list[dict[str, Any]]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap})
    for record in records:
        producer.produce(**record)
    assert producer.flush(30) == 0, "not all records were sent"


def _full(place: TopicPartition, ends: dict[tuple[str, int], int]) -> bool:
    """An empty partition has no position."""
    return ends[place.topic, place.partition] > 0


def _record(message: Message) -> Record:
    headers = dict(message.headers() or [])
    key = (message.key() or b"").decode(errors="replace")
    return Record(message.topic() or "", key, headers, message.value() or b"")  # type: ignore[arg-type]
