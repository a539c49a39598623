"""The consumers of one process, looked at from outside: are they in place, and how far behind."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.common.errors import WorldError
from services.common.kafka.dead_letters import DeadLetters
from services.common.metrics import SILENT_SECONDS, last_fetches
from services.common.object_store import ObjectStore
from services.ingest.follow import Following
from services.ingest.handlers import Membership

PROBE = "probes/ready"


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
        silent = time.time() - max(last_fetches(self.subscribers).values(), default=0)
        if not missing and silent > SILENT_SECONDS:
            missing["kafka"] = f"has not answered for {silent:.0f} s"
        try:
            await self.store.exists(PROBE)
        except WorldError as error:
            missing["store"] = error.message
        return missing
