"""The read model's consumers: where they start, and when they have read what there was."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.topics import EVENTS, JOBS
from services.ingest.kafka_log import KafkaLog, LogReader
from services.ingest.read_model import ReadModel

PATIENCE_SECONDS = 2.0


class Following:
    """Two subscribers without a group that read the jobs and the events topic whole."""

    def __init__(self, model: ReadModel, log: LogReader, jobs: Any, events: Any) -> None:
        """Take FastStream's subscribers."""
        self._model, self._log = model, log
        self._subscribers: Mapping[str, Any] = {JOBS.name: jobs, EVENTS.name: events}
        self.caught_up = False

    def resume(self) -> None:
        """Go on where the read model's file was left; called once the subscribers run."""
        for (topic, partition), offset in self._model.positions.items():
            self._consumer(topic).seek(TopicPartition(topic, partition), offset)

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
                stands_at = await self._consumer(topic).position(place)

    def _consumer(self, topic: str) -> AIOKafkaConsumer:
        return self._subscribers[topic].consumer
