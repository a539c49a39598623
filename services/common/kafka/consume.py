"""Handle records and dead-letter what cannot be read; batch by batch here, side by side with `kafka.work`.

Records of one key keep their order. A fault of the world (store, broker) is waited out in place with backoff:
nothing is committed before it is done, and a consumer that cannot go on ends its process rather than skip a record.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

import stamina
import structlog
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from faststream.kafka.message import KafkaMessage
from opentelemetry.trace import SpanKind

from schemas.envelope import Envelope, EnvelopeError, decode
from services.common import telemetry
from services.common.errors import WorldError
from services.common.kafka.dead_letters import DeadLetters, TooManyDeadLettersError, Unreadable, fault_of_ours
from services.common.kafka.work import Work

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
HandleTogether = Callable[[list[Received]], Awaitable[Mapping[int, str]]]
Decode = Callable[[ConsumerRecord], Envelope]
OnBatch = Callable[[KafkaMessage], Awaitable[None]]


def decode_record(record: ConsumerRecord) -> Envelope:
    """Read a record as a CloudEvent; raises `EnvelopeError`."""
    return decode(record.value, record.headers)


@dataclass(frozen=True, slots=True)
class Consumption:
    """How one service consumes: where dead letters go, and whom to tell when it cannot go on.

    With `contained` a record worked on by itself that brings a fault of ours to light is a dead letter as well: where
    many share one process, it would otherwise end that at each start. Their limit still tells a fault of all records.
    """

    dead_letters: DeadLetters
    fail: Callable[[BaseException], None]
    contained: bool = False

    async def run(self, message: KafkaMessage, handle: Handle) -> None:
        """Work through one batch, record by record, and commit nothing: for a topic that is read whole.

        `handle` raises `Unreadable` for a record nobody can use.
        """
        await self._finish(message, self._in_order(message.raw_message, handle))

    async def run_together(self, message: KafkaMessage, handle: HandleTogether) -> None:
        """Work through one batch in one call of `handle`, which gives the reason for each index that nobody can use.

        For those who do something once a batch; `handle` sees the records in the order of their partitions.
        """
        await self._finish(message, self._together(message.raw_message, handle))
        await _commit(message, message.raw_message)

    def beside(self, work: Work, handle: Handle, decoder: Decode = decode_record) -> OnBatch:
        """Build the handler of records that are worked on in `work`, which commits them; `handle` as in `run`."""

        async def on_record(record: ConsumerRecord) -> None:
            await self._alone(record, handle, decoder)

        async def on_batch(message: KafkaMessage) -> None:
            await work.take(message.raw_message, message.consumer, on_record)  # type: ignore[arg-type]

        return on_batch

    async def _alone(self, record: ConsumerRecord, handle: Handle, decoder: Decode) -> None:
        """Work through one record. Each try is a span of the record's trace."""

        async def traced(received: Received) -> None:
            name, trace = f"process {received.topic}", received.envelope.traceparent
            with telemetry.span(name, trace, _messaging(received), kind=SpanKind.CONSUMER):
                await handle(received)

        dead = await self._one(record, traced, decoder)
        self._count(handled=1, dead=int(dead))

    async def _finish(self, message: KafkaMessage, work: Awaitable[int]) -> None:
        try:
            dead = await work
        except Exception as error:
            log.exception("the consumer cannot go on")
            self.fail(error)
            raise
        self._count(handled=len(message.raw_message), dead=dead)

    def _count(self, *, handled: int, dead: int) -> None:
        """Past the limit the process ends; what was put aside is done all the same, or it would be put aside twice."""
        try:
            self.dead_letters.count(handled=handled, dead=dead)
        except TooManyDeadLettersError as error:
            self.fail(error)

    async def _together(self, batch: tuple[ConsumerRecord, ...], handle: HandleTogether) -> int:
        readable: list[tuple[ConsumerRecord, Received]] = []
        dead: list[tuple[ConsumerRecord, str]] = []
        for record in batch:
            try:
                readable.append((record, _received(record, decode_record)))
            except EnvelopeError as error:
                dead.append((record, str(error)))
        async for attempt in stamina.retry_context(on=PASSING, attempts=None, timeout=300, wait_max=15):
            with attempt:
                unusable = await handle([received for _, received in readable])
        dead += [(readable[index][0], reason) for index, reason in unusable.items()]
        for record, reason in dead:
            await self.dead_letters.add(record, reason)
        return len(dead)

    async def _in_order(self, batch: tuple[ConsumerRecord, ...], handle: Handle) -> int:
        return sum([await self._one(record, handle, decode_record) for record in batch])

    async def _one(self, record: ConsumerRecord, handle: Handle, decoder: Decode) -> bool:
        try:
            received = _received(record, decoder)
            await _patiently(handle, received)
        except (EnvelopeError, Unreadable) as error:
            await self.dead_letters.add(record, str(error))
            return True
        except (*PASSING, OSError):
            raise
        except Exception as error:
            if not self.contained:
                raise
            log.exception("a record brings a fault to light", topic=record.topic, offset=record.offset)
            await self.dead_letters.add(record, fault_of_ours(error))
            return True
        return False


async def _patiently(handle: Handle, received: Received) -> None:
    try:
        await handle(received)
    except PASSING:
        # Only now: setting up the retries costs as much as handling a small record.
        async for attempt in stamina.retry_context(on=PASSING, attempts=None, timeout=300, wait_max=15):
            with attempt:
                await handle(received)


async def _commit(message: KafkaMessage, batch: Iterable[ConsumerRecord]) -> None:
    try:
        await message.consumer.commit(_next_offsets(batch))  # type: ignore[call-arg]
    except KafkaError as error:
        # The group was rebalanced or the broker is away; whoever gets the batch again drops what it knows.
        log.warning("commit refused", error=str(error))


def _messaging(received: Received) -> telemetry.Attributes:
    return {
        **telemetry.messaging("process", received.topic, received.envelope.id),
        "messaging.destination.partition.id": str(received.partition),
        "messaging.kafka.offset": received.offset,
    }


def _received(record: ConsumerRecord, decoder: Decode) -> Received:
    return Received(decoder(record), record.key, record.topic, record.partition, record.offset)


def _next_offsets(batch: Iterable[ConsumerRecord]) -> dict[TopicPartition, int]:
    offsets: dict[TopicPartition, int] = {}
    for record in batch:
        partition = TopicPartition(record.topic, record.partition)
        offsets[partition] = max(offsets.get(partition, 0), record.offset + 1)
    return offsets
