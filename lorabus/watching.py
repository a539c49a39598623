"""Follow one job on the status topic until it ends.

Where its first event stands is asked of ingest; without an answer the job's partition is read from its beginning.
The end is never missed: when the topic is silent, ingest is asked whether the job has ended before the place
where the reading began, or so long ago that its events are gone.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from lorabus.api import Api
from lorabus.events import Event, end_from_row
from lorabus.faults import NoSuchJob
from lorabus.status_topic import StatusTopic
from schemas.jobs import JobRow
from services.common.errors import Unreachable

SILENT_READS = 20
"""After so many empty reads (half a second each) broker and ingest are asked how things are."""

Place = tuple[int, int]
"""Partition and offset."""


@dataclass(slots=True)
class Watching:
    """One job being followed; `since` is where an event of it stands, for a job too new for ingest's table."""

    topic: StatusTopic
    api: Api
    job_id: str
    since: Place | None = None
    seen: set[str] = field(default_factory=set)
    silent: int = 0

    async def events(self) -> AsyncIterator[Event]:
        """Each event once, up to the one that ends the job. Raises `NoSuchJob` when there is nothing to follow."""
        partition, known = self.topic.partition_of(self.job_id), await self.topic.ends()
        async for event in self.topic.events({partition: await self._start(partition)}, known):
            found = await self._after_silence(partition, known[partition]) if event is None else self._ours(event)
            if found is not None:
                yield found
                if found.ends:
                    return

    async def _start(self, partition: int) -> int:
        """The offset to read from; 0 reads the whole partition."""
        try:
            row = await self.api.job(self.job_id)
        except Unreachable:
            return 0
        except NoSuchJob:
            return _offset(self.since, partition)
        first = row.events_from
        return _offset((first.partition, first.offset) if first else None, partition)

    def _ours(self, event: Event) -> Event | None:
        if event.job_id != self.job_id or event.id in self.seen:
            return None
        self.seen.add(event.id)
        self.silent = 0
        return event

    async def _after_silence(self, partition: int, known: int) -> Event | None:
        """Nothing was there to read: is the job unknown, has it ended unseen, is the broker still there?"""
        self.silent += 1
        nothing_kept = not self.seen and await self.topic.position(partition) >= known
        if not nothing_kept and self.silent % SILENT_READS:
            return None
        await self.topic.check()
        row = await self._row()
        if row is None and nothing_kept:
            raise NoSuchJob(self.job_id)
        caught_up = await self.topic.position(partition) >= (await self.topic.ends())[partition]
        return end_from_row(row) if row is not None and caught_up else None

    async def _row(self) -> JobRow | None:
        try:
            return await self.api.job(self.job_id)
        except (NoSuchJob, Unreachable):
            return None


def _offset(place: Place | None, partition: int) -> int:
    return place[1] if place is not None and place[0] == partition else 0
