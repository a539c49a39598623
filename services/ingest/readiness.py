"""Whether ingest takes requests and answers completely."""

from collections.abc import Mapping

from services.common.errors import WorldError
from services.common.object_store import ObjectStore
from services.ingest.follow import Following
from services.ingest.handlers import Membership

PROBE = "probes/ready"


class Readiness:
    """Asks every part anew each time."""

    def __init__(self, memberships: Mapping[str, Membership], following: Following, store: ObjectStore) -> None:
        """`memberships` are by topic."""
        self._memberships, self._following, self._store = memberships, following, store

    async def __call__(self) -> dict[str, str]:
        """Give what is not ready, by part."""
        missing = {topic: "waits for its partitions" for topic, held in self._memberships.items() if not held.joined}
        if not self._following.caught_up:
            missing["read model"] = "is being built from Kafka"
        try:
            await self._store.exists(PROBE)
        except WorldError as error:
            missing["store"] = error.message
        return missing
