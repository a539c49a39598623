"""The dead letters as operators see them: read whole, and sent again to where they came from."""

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

from aiokafka import ConsumerRecord

from lorabus.events import rfc3339
from lorabus.faults import BadInput
from lorabus.kafka import CONNECT_SECONDS, open_reader, partitions_of, within
from schemas.topics import BY_NAME, DEAD_LETTERS
from services.common.kafka.producer import open_producer
from services.common.settings import Settings

OURS = "lorabus_dlq_"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record as it came, and what was said of it. `id` is its place on the dead-letter topic."""

    id: str
    time: datetime
    told: dict[str, str]
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    def summary(self) -> dict[str, object]:
        """Where it stood and why nobody could read it."""
        return {
            "id": self.id,
            "time": rfc3339(self.time),
            "topic": self.told.get("topic", ""),
            "partition": self.told.get("partition", ""),
            "offset": self.told.get("offset", ""),
            "service": self.told.get("service", ""),
            "reason": self.told.get("reason", ""),
            "bytes": self._bytes(),
        }

    def _bytes(self) -> int:
        """Of the record; one that was too large is not kept."""
        left_out = self.told.get("left_out", "")
        return int(left_out) if left_out.isdecimal() and len(left_out) < 20 else len(self.value or b"")

    def whole(self) -> dict[str, object]:
        """The summary with the record itself; bytes that are no text are given in base64."""
        headers = {name: None if value is None else _text(value) for name, value in self.headers}
        value = None if self.value is None else _text(self.value)
        return {
            **self.summary(),
            "key": None if self.key is None else _text(self.key),
            "headers": headers,
            "value": value,
        }


async def dead_letters(settings: Settings) -> AsyncIterator[DeadLetter]:
    """Every dead letter that is there now, oldest first within a partition."""
    partitions = await partitions_of(DEAD_LETTERS.name, settings)
    async with open_reader(settings) as consumer:
        consumer.assign(partitions)
        first = await within(CONNECT_SECONDS, consumer.beginning_offsets(partitions), settings)
        last = await within(CONNECT_SECONDS, consumer.end_offsets(partitions), settings)
        for partition in partitions:
            consumer.seek(partition, first[partition])
        open_ones = {partition for partition in partitions if first[partition] < last[partition]}
        while open_ones:
            for partition, records in (await consumer.getmany(*open_ones, timeout_ms=1000)).items():
                for record in records:
                    yield letter_of(record)
                if await consumer.position(partition) >= last[partition]:
                    open_ones.discard(partition)


async def find(settings: Settings, letter_id: str) -> DeadLetter:
    """The letter at `partition:offset`."""
    partition, _, offset = letter_id.partition(":")
    if not (partition.isdecimal() and offset.isdecimal()):
        raise BadInput(f"a dead letter's id looks like 3:17 (`lorabus dlq list` shows them), not {letter_id!r}")
    async for letter in dead_letters(settings):
        if letter.id == f"{int(partition)}:{int(offset)}":
            return letter
    raise BadInput(f"no dead letter {letter_id}; `lorabus dlq list` shows those that are kept")


async def replay(settings: Settings, letter: DeadLetter) -> str:
    """Publish the record as it came; gives the topic. It comes back if it still cannot be read."""
    topic = letter.told.get("topic", "")
    if topic not in BY_NAME or topic == DEAD_LETTERS.name:
        raise BadInput(f"dead letter {letter.id} came from {topic or 'nowhere'!r}, which is no topic of lorabus")
    if "left_out" in letter.told:
        place = f"{topic} {letter.told.get('partition', '?')}:{letter.told.get('offset', '?')}"
        raise BadInput(f"dead letter {letter.id} was too large to be kept; as long as Kafka has it, it is at {place}")
    async with open_producer(settings, "lorabus") as producer:
        sent = producer.publish(topic, letter.key, letter.value, letter.headers)
        await within(CONNECT_SECONDS, sent, settings)
    return topic


def letter_of(record: ConsumerRecord) -> DeadLetter:
    """Part the headers that were added from those that the record had."""
    told = {name.removeprefix(OURS): value.decode(errors="replace") for name, value in record.headers if _is_ours(name)}
    return DeadLetter(
        id=f"{record.partition}:{record.offset}",
        time=datetime.fromtimestamp(record.timestamp / 1000, UTC),
        told=told,
        key=record.key,
        value=record.value,
        headers=tuple((name, value) for name, value in record.headers if not _is_ours(name)),
    )


def _is_ours(name: str) -> bool:
    return name.startswith(OURS)


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"base64:{base64.b64encode(value).decode()}"
