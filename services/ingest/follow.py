"""The read model's consumers: where they start, and when they have read what there was."""

import asyncio
from collections.abc import Collection
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.topics import EVENTS, JOBS
from services.ingest.kafka_log import KafkaLog, LogReader
from services.ingest.read_model import ReadModel

PATIENCE_SECONDS = 2.0


class Following:
    """A subscriber without a group that reads the jobs and the events topic whole."""

    def __init__(self, model: ReadModel, log: LogReader, subscriber: Any) -> None:
        """Take FastStream's subscriber."""
        self._model, self._log, self._subscriber = model, log, subscriber
        self.caught_up = False

    def resume(self) -> None:
        """Go on where the read model's file was left; called once the subscribers run."""
        for (topic, partition), offset in self._model.positions.items():
            self._consumer.seek(TopicPartition(topic, partition), offset)

    async def catch_up_with(self, log: KafkaLog) -> None:
        """Return once everything that Kafka held when we started is in the read model; forget what it no longer has."""
        await self._model.prune({place[1]: begin for place, begin in log.begins.items() if place[0] == EVENTS.name})
        for place, end in log.ends.items():
            if end > log.begins[place]:
                await self._reach(*place, end)
        self.caught_up = True

    async def catch_up_rows(self, partitions: Collection[int]) -> None:
        """Return once every row of these partitions that is written by now is in the read model."""
        begins, ends = await self._log.offsets((JOBS.name, partition) for partition in partitions)
        for place, end in ends.items():
            if end > begins[place]:
                await self._reach(*place, end)

    async def _reach(self, topic: str, partition: int, end: int) -> None:
        place = TopicPartition(topic, partition)
        stands_at = 0
        while stands_at < end:
            try:
                await asyncio.wait_for(self._model.reach(topic, partition, end), PATIENCE_SECONDS)
                stands_at = end
            except TimeoutError:
                # Compaction may leave no record right before the end: then the consumer stands there, having read none.
                stands_at = await self._consumer.position(place)

    @property
    def _consumer(self) -> AIOKafkaConsumer:
        return self._subscriber.consumer
