"""A source's events about one job and attempt: numbered without gaps, sent in order, sent again after a crash.

Ids are `<jobId>:<attempt>:<source>:<sequence>`. Where a process may take up the work of another under the same
attempt (the publisher), the last event is kept in the store before it is sent: whoever goes on sends it once
more, under the same id, and counts from there.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Self

from schemas import store_keys
from schemas.envelope import Envelope, encode
from schemas.events import TYPE_OF, EventData
from schemas.records import OutboxRecord, as_json
from schemas.topics import EVENTS, full_type
from services.common.object_store import ObjectStore
from services.common.telemetry import trace_id

Publish = Callable[[str, bytes | None, bytes | None, list[tuple[str, bytes]]], Awaitable[object]]
Clock = Callable[[], datetime]


def now() -> datetime:
    """The wall clock, for what people read; no decision rests on it."""
    return datetime.now(UTC)


class Journal:
    """Writes events; `prepare` numbers one, `send` publishes it, `emit` does both."""

    def __init__(
        self,
        publish: Publish,
        *,
        job_id: str,
        attempt: int,
        source: str,
        traceparent: str,
        clock: Clock = now,
    ) -> None:
        """`publish(topic, key, value, headers)` sends one record and returns when the broker has it."""
        self._publish = publish
        self._job_id, self._attempt, self._source = job_id, attempt, source
        self._traceparent = traceparent
        self._clock = clock
        self._sequence = 0
        self._store: ObjectStore | None = None
        self._lock = asyncio.Lock()

    async def continue_from(self, store: ObjectStore) -> Self:
        """Keep the last event in `store` from now on; first send again the one that a predecessor left there."""
        self._store = store
        left = await store.get(self._outbox_key)
        if left is not None:
            record = OutboxRecord.model_validate_json(left)
            self._sequence = int(record.id.rsplit(":", 1)[1])
            await self.send(record)
        return self

    async def emit(self, model: type[EventData], **data: object) -> OutboxRecord:
        """Number, keep (where asked for) and send one event; keyword arguments are the model's fields."""
        async with self._lock:
            record = self._build(model, data)
            if self._store is not None:
                await self._store.put(self._outbox_key, as_json(record))
            await self.send(record)
            return record

    async def prepare(self, model: type[EventData], **data: object) -> OutboxRecord:
        """Number an event without sending it: for a result, which is written before its event is sent."""
        async with self._lock:
            return self._build(model, data)

    async def send(self, record: OutboxRecord) -> None:
        """Publish a record; the same record always gives the same bytes."""
        await send_event(self._publish, record)

    @property
    def _outbox_key(self) -> str:
        return store_keys.outbox(self._job_id, self._attempt, self._source)

    def _build(self, model: type[EventData], data: dict[str, object]) -> OutboxRecord:
        self._sequence += 1
        event = model.model_validate(
            {
                "job_id": self._job_id,
                "attempt": self._attempt,
                "sequence": self._sequence,
                "trace_id": trace_id(self._traceparent),
                **data,
            }
        )
        return OutboxRecord(
            id=f"{self._job_id}:{self._attempt}:{self._source}:{self._sequence}",
            type=full_type(TYPE_OF[model]),
            source=self._source,
            time=self._clock(),
            traceparent=self._traceparent,
            data=event.to_wire(),
        )


async def send_event(publish: Publish, record: OutboxRecord) -> None:
    """Publish a numbered event on the status topic."""
    value, headers = encode(envelope_of(record))
    await publish(EVENTS.name, str(record.data["jobId"]).encode(), value, headers)


def envelope_of(record: OutboxRecord) -> Envelope:
    """Give the event as it travels."""
    return Envelope(
        id=record.id,
        type=record.type,
        source=record.source,
        subject=str(record.data["jobId"]),
        time=record.time,
        traceparent=record.traceparent,
        data=record.data,
    )
