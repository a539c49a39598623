"""Handle every record of a batch, dead-letter what cannot be read, then commit exactly what was handled.

Records of one key keep their order; different keys are handled side by side. A fault of the world (store,
broker) is waited out in place with backoff: nothing of the batch is committed until all of it is done, and a
consumer that cannot go on ends its process rather than skip a record.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import stamina
import structlog
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, KafkaError
from faststream.kafka.message import KafkaMessage

from schemas.envelope import Envelope, EnvelopeError, decode
from services.common.errors import WorldError
from services.common.kafka.dead_letters import DeadLetters, Unreadable

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Received:
    """A decoded record and where it stood."""

    envelope: Envelope
    key: bytes | None
    topic: str
    partition: int
    offset: int


PASSING = (WorldError, KafkaError)
Handle = Callable[[Received], Awaitable[None]]
Decode = Callable[[ConsumerRecord], Envelope]


def decode_record(record: ConsumerRecord) -> Envelope:
    """Read a record as a CloudEvent; raises `EnvelopeError`."""
    return decode(record.value, record.headers)


@dataclass(frozen=True, slots=True)
class Consumption:
    """How one service consumes: where dead letters go, and whom to tell when it cannot go on."""

    dead_letters: DeadLetters
    fail: Callable[[BaseException], None]

    async def run(
        self, message: KafkaMessage, handle: Handle, *, decoder: Decode = decode_record, commit: bool = True
    ) -> None:
        """Work through one batch as the module says. `handle` raises `Unreadable` for a record nobody can use."""
        batch: tuple[ConsumerRecord, ...] = message.raw_message
        try:
            chains = _by_key(batch).values()
            dead = sum(await asyncio.gather(*(self._in_order(chain, handle, decoder) for chain in chains)))
            self.dead_letters.count(handled=len(batch), dead=dead)
            if commit:
                await message.consumer.commit(_next_offsets(batch))  # type: ignore[call-arg]
        except CommitFailedError as error:
            # The group was rebalanced meanwhile; the new owner gets the batch again and drops what it knows.
            log.warning("commit refused", error=str(error))
        except Exception as error:
            log.exception("the consumer cannot go on")
            self.fail(error)
            raise

    async def _in_order(self, records: list[ConsumerRecord], handle: Handle, decoder: Decode) -> int:
        return sum([await self._one(record, handle, decoder) for record in records])

    async def _one(self, record: ConsumerRecord, handle: Handle, decoder: Decode) -> bool:
        try:
            received = Received(decoder(record), record.key, record.topic, record.partition, record.offset)
            async for attempt in stamina.retry_context(on=PASSING, attempts=None, timeout=300, wait_max=15):
                with attempt:
                    await handle(received)
        except (EnvelopeError, Unreadable) as error:
            await self.dead_letters.add(record, str(error))
            return True
        return False


def _by_key(batch: Iterable[ConsumerRecord]) -> dict[object, list[ConsumerRecord]]:
    chains: dict[object, list[ConsumerRecord]] = defaultdict(list)
    for record in batch:
        chains[record.key or (record.partition, record.offset)].append(record)
    return chains


def _next_offsets(batch: Iterable[ConsumerRecord]) -> dict[TopicPartition, int]:
    offsets: dict[TopicPartition, int] = {}
    for record in batch:
        partition = TopicPartition(record.topic, record.partition)
        offsets[partition] = max(offsets.get(partition, 0), record.offset + 1)
    return offsets
