"""The one way records leave a service: idempotent, acknowledged by every in-sync replica, headers as they are.

aiokafka itself rather than FastStream's `publish`, which re-encodes bodies and headers and cannot send a
tombstone.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError
from aiokafka.partitioner import murmur2
from aiokafka.structs import RecordMetadata

from services.common.kafka.connection import client_options, unreachable
from services.common.settings import Settings

MAX_REQUEST_BYTES = 2 * 1024 * 1024
# aiokafka's 16 KiB are full after five events with a spec; then everybody who sends waits, and each drain wakes all.
MAX_BATCH_BYTES = 256 * 1024
Headers = Sequence[tuple[str, bytes | None]]


class Producer:
    """Publishes records; `publish` waits for the broker, `enqueue` gives a future, so that a batch waits once."""

    def __init__(self, client: AIOKafkaProducer) -> None:
        """Wrap a started client."""
        self._client = client

    async def publish(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> RecordMetadata:
        """Send one record and return once the broker has it. The value None is a tombstone."""
        return await self._client.send_and_wait(topic, value=value, key=key, headers=list(headers))

    async def enqueue(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers
    ) -> asyncio.Future[RecordMetadata]:
        """Put one record into the producer's buffer; the future is done once the broker has it."""
        future: asyncio.Future[RecordMetadata]
        future = await self._client.send(topic, value=value, key=key, headers=list(headers))
        return future


@lru_cache(maxsize=4096)
def _hash_of(key: bytes) -> int:
    return int(murmur2(key)) & 0x7FFFFFFF  # In Python, and a job's events and rows share one key.


def partition_of(key: bytes | None, partitions: Sequence[int], available: Sequence[int]) -> int:
    """Give a record's partition as Kafka's own clients do: by murmur2 of its key, else any that has a leader."""
    if key is None:
        return random.choice(available or partitions)  # noqa: S311 - spreads load, guards nothing.
    return partitions[_hash_of(key) % len(partitions)]


@asynccontextmanager
async def open_producer(settings: Settings, client_id: str) -> AsyncIterator[Producer]:
    """Connect a producer; raises `Unreachable` naming the address."""
    client = AIOKafkaProducer(
        **client_options(settings),
        client_id=client_id,
        enable_idempotence=True,
        acks="all",
        max_request_size=MAX_REQUEST_BYTES,
        max_batch_size=MAX_BATCH_BYTES,
        partitioner=partition_of,
    )
    try:
        await client.start()
    except KafkaConnectionError as error:
        await client.stop()
        raise unreachable(settings, error) from error
    try:
        yield Producer(client)
    finally:
        await client.stop()
