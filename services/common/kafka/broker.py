"""The one place that builds a FastStream broker and its subscribers, so that no default that loses work slips in.

FastStream's defaults acknowledge first and start at the newest record. Here nothing is acknowledged but by
`services.common.kafka.consume`, groups start at the oldest record, topics are never created by accident, and
what cannot be decoded reaches us raw, because it must be dead-lettered before it is committed.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaMessage
from faststream.kafka.schemas import Topic as StreamTopic
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from schemas.topics import Topic
from services.common.kafka.connection import REQUEST_TIMEOUT_MS, password, tls_context
from services.common.settings import Settings

MAX_POLL_RECORDS = 500
FETCH_SECONDS = 0.005
"""What waits at the broker is here by then."""
_SASL = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}


def build_broker(settings: Settings, client_id: str) -> KafkaBroker:
    """Build a broker whose producer is idempotent and waits for every in-sync replica. It connects at `start`."""
    return KafkaBroker(
        settings.kafka.split(","),
        client_id=client_id,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        security=_security(settings),
        enable_idempotence=True,
        acks="all",
        compression_type=None,
        linger_ms=0,
        max_request_size=2 * 1024 * 1024,
        allow_auto_create_topics=False,
        ack_policy=AckPolicy.MANUAL,
        # With types applied, FastStream fetches the message for each call from a thread: half a millisecond a record.
        apply_types=False,
        logger=None,
    )


def subscribe(
    broker: KafkaBroker,
    topics: Sequence[Topic],
    handler: Callable[[KafkaMessage], Awaitable[None]],
    *,
    group: str | None,
    title: str,
    listener: ConsumerRebalanceListener | None = None,
    seconds_between: float = 0.0,
) -> Any:
    """Hand batches of raw records of `topics` to `handler`; without a `group` they are read whole, every time.

    FastStream waits for one record, which costs nothing while there is none; what else has arrived by then is taken
    along. Its own batches sleep after each empty poll: an idle pipeline would lag, or burn processor time. Who can
    wait says as `seconds_between` how soon one batch may follow another: ten records at once cost little more than
    one, and a record that comes after a pause waits for nothing.
    """
    subscriber = broker.subscriber(
        *(StreamTopic(topic.name, declare=False) for topic in topics),
        group_id=group,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.MANUAL,
        parser=_parse_raw,
        decoder=_undecoded,
        listener=listener,
        max_poll_interval_ms=10 * 60 * 1000,
        session_timeout_ms=10_000,
        partition_assignment_strategy=(StickyPartitionAssignor,),
        fetch_max_wait_ms=500,
        max_partition_fetch_bytes=4 * 1024 * 1024,
        title=title,
        description=" ".join(topic.purpose for topic in topics),
    )

    last = -math.inf

    @subscriber
    async def on_record(message: KafkaMessage) -> None:
        nonlocal last
        early = last + seconds_between - monotonic()
        if early > 0:
            await _linger(message.consumer, early)
        last = monotonic()
        message.raw_message = (message.raw_message, *await _arrived(message.consumer))
        await handler(message)

    return subscriber


async def _linger(consumer: AIOKafkaConsumer, seconds: float) -> None:
    """Let records gather at the broker: aiokafka would fetch them one by one meanwhile, each for the price of many."""
    held = consumer.assignment()
    consumer.pause(*held)
    try:
        await asyncio.sleep(seconds)
    finally:
        # What a rebalance has taken away meanwhile is no longer held, and what it brought is not paused.
        consumer.resume(*held & consumer.assignment())
    await asyncio.sleep(FETCH_SECONDS)


async def _arrived(consumer: AIOKafkaConsumer) -> list[ConsumerRecord]:
    """Give what waits in the consumer, without waiting; a fault is told by the next poll, which meets it again."""
    try:
        found = await consumer.getmany(timeout_ms=0, max_records=MAX_POLL_RECORDS)
    except KafkaError:
        return []
    return [record for records in found.values() for record in records]


async def _parse_raw(
    record: ConsumerRecord, original: Callable[[ConsumerRecord], Awaitable[KafkaMessage]]
) -> KafkaMessage:
    # FastStream decodes every header as UTF-8 before any handler runs; a hostile one would be lost, not reported.
    message = await original(_without_headers(record))
    message.raw_message = record
    return message


def _without_headers(record: ConsumerRecord) -> ConsumerRecord:
    names = record.__dataclass_fields__
    return ConsumerRecord(**{name: () if name == "headers" else getattr(record, name) for name in names})


async def _undecoded(message: KafkaMessage) -> KafkaMessage:
    return message


def _security(settings: Settings) -> BaseSecurity | None:
    if settings.kafka_security == "plaintext":
        return None
    use_ssl = settings.kafka_security.endswith("ssl")
    context = tls_context(settings) if use_ssl else None
    if settings.kafka_security == "ssl":
        return BaseSecurity(ssl_context=context, use_ssl=True)
    return _SASL[settings.kafka_sasl_mechanism](
        username=settings.kafka_username or "",
        password=password(settings),
        ssl_context=context,
        use_ssl=use_ssl,
    )
