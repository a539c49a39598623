"""Events out to the status topic, those of one request together."""

import asyncio
from collections.abc import Sequence

from schemas.envelope import encode
from schemas.records import OutboxRecord
from schemas.topics import EVENTS
from services.common.kafka.producer import Producer
from services.ingest.events import answering


class Teller:
    """Publishes ingest's events."""

    def __init__(self, producer: Producer) -> None:
        """Take the producer."""
        self._producer = producer

    async def __call__(self, events: Sequence[OutboxRecord], request_id: str | None = None) -> None:
        """Send events of one job in order; returns once the broker has all of them."""
        sent = []
        for event in events:
            value, headers = encode(answering(event, request_id))
            key = str(event.data["jobId"]).encode()
            sent.append(await self._producer.enqueue(EVENTS.name, key, value, headers))
        await asyncio.gather(*sent)
