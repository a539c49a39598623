"""The status topic into one endpoint's line: a consumer group for each endpoint, so that Kafka keeps what waits.

aiokafka itself rather than a subscriber of FastStream: this consumer stops reading when its line is full, and what
was read before a rebalance must be in the line before the rebalance lets go of it.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import IllegalStateError, KafkaConnectionError, KafkaError

from schemas.topics import EVENTS
from services.common.kafka.connection import client_options, unreachable
from services.common.settings import Settings
from services.ingest.webhooks.deliver import Deliveries
from services.ingest.webhooks.line import Line

log = structlog.get_logger()
GROUP = "lorabus.ingest.webhooks"
POLL_MS = 200
MAX_RECORDS = 100
LAST_COMMIT_SECONDS = 3.0


class LettingGo(ConsumerRebalanceListener):  # type: ignore[misc]
    """Empties the line when the group shares its partitions out anew: reading goes on from what was committed."""

    def __init__(self, line: Line) -> None:
        """Take the line."""
        self._line = line

    async def on_partitions_revoked(self, _: list[TopicPartition]) -> None:
        """Nothing more of what was in hand is sent by us."""
        await self._line.let_go()

    async def on_partitions_assigned(self, _: list[TopicPartition]) -> None:
        """Nothing to do."""


async def consume(settings: Settings, name: str, line: Line, deliveries: Deliveries) -> None:
    """Read for ever. What is in hand when it is cancelled is read again by whoever goes on."""
    consumer = _consumer(settings, name)
    consumer.subscribe([EVENTS.name], listener=LettingGo(line))
    committed: dict[int, int] = {}
    try:
        await consumer.start()
        while True:
            _hold(consumer, back=line.full or deliveries.gone)
            found = await consumer.getmany(timeout_ms=POLL_MS, max_records=MAX_RECORDS)
            line.take(record for records in found.values() for record in records)
            committed = await _commit(consumer, line.safe, committed)
    except KafkaConnectionError as error:
        raise unreachable(settings, error) from error
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_COMMIT_SECONDS):
                await _commit(consumer, line.safe, committed)
        await line.let_go()
        await consumer.stop()


def _consumer(settings: Settings, name: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        **client_options(settings),
        client_id=f"lorabus-ingest-{settings.worker}-webhook-{name}",
        group_id=f"{GROUP}.{name}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=10_000,
        heartbeat_interval_ms=1_000,
        max_partition_fetch_bytes=2 * 1024 * 1024,
        partition_assignment_strategy=(StickyPartitionAssignor,),
    )


def _hold(consumer: AIOKafkaConsumer, *, back: bool) -> None:
    """Poll without reading while `back`: a consumer that did not poll would lose its place in the group."""
    if back:
        consumer.pause(*consumer.assignment())
    else:
        consumer.resume(*(consumer.paused() & consumer.assignment()))


async def _commit(consumer: AIOKafkaConsumer, safe: Mapping[int, int], committed: Mapping[int, int]) -> dict[int, int]:
    """Commit what is new; gives what is committed by now."""
    new = {place: offset for place, offset in safe.items() if committed.get(place) != offset}
    if new:
        try:
            await consumer.commit({TopicPartition(EVENTS.name, place): offset for place, offset in new.items()})
        except (KafkaError, IllegalStateError) as error:
            # A rebalance or a broker that is away: whoever reads these events again sends them again.
            log.warning("commit refused", group=GROUP, error=str(error))
            return dict(committed)
    return {**committed, **new}
