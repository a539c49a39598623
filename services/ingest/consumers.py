"""The consumers of one process, looked at from outside: are they in place, and how far behind."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from services.common.errors import WorldError
from services.common.kafka.dead_letters import DeadLetters
from services.common.object_store import ObjectStore
from services.ingest.follow import Following
from services.ingest.handlers import Membership

PROBE = "probes/ready"
SLEEP_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Consumers:
    """`subscribers` are FastStream's, `memberships` those of them that share a topic with others, both by topic."""

    subscribers: Mapping[str, Any]
    memberships: Mapping[str, Membership]
    following: Following
    dead_letters: DeadLetters
    store: ObjectStore

    async def missing(self) -> dict[str, str]:
        """Give what is not ready, by part; each is asked anew."""
        missing = {topic: "waits for its partitions" for topic, held in self.memberships.items() if not held.joined}
        if not self.following.caught_up:
            missing["read model"] = "is being built from Kafka"
        try:
            await self.store.exists(PROBE)
        except WorldError as error:
            missing["store"] = error.message
        return missing

    async def lag(self) -> dict[str, int]:
        """Give the number of records that wait in the partitions of this process, by topic."""
        behind = {}
        for topic, subscriber in self.subscribers.items():
            consumer = subscriber.consumer
            ends = {place: consumer.highwater(place) for place in consumer.assignment()}
            places = [(place, end) for place, end in ends.items() if end is not None]
            behind[topic] = sum([max(0, end - await consumer.position(place)) for place, end in places])
        return behind


async def watch_loop(note: Callable[[float], None]) -> None:
    """Tell for ever how late the event loop wakes us: what every other task has to wait as well."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + SLEEP_SECONDS
        await asyncio.sleep(SLEEP_SECONDS)
        note(loop.time() - due)
