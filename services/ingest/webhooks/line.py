"""What one endpoint still has to get: each job's events one after the other, jobs side by side, and a bound on all.

An offset is safe to commit once every event before it was taken, given up or not asked for.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping

from aiokafka import ConsumerRecord

from services.common.kafka.offsets import OffsetTracker
from services.ingest.webhooks.message import Message, message_of

MAX_EVENTS = 5_000
MAX_BYTES = 8 * 1024 * 1024
Place = tuple[int, int]
"""Partition and offset."""


class Line:
    """One endpoint's events in hand. `deliver` returns False for an event that must stay where it is."""

    def __init__(
        self,
        wants: Callable[[Message], bool],
        deliver: Callable[[Message], Awaitable[bool]],
        fail: Callable[[BaseException], None],
    ) -> None:
        """`fail` is told when `deliver` raises, which only a fault of ours makes it do."""
        self._wants, self._deliver, self._fail = wants, deliver, fail
        self._jobs: dict[str, deque[tuple[Place, Message]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._trackers: dict[int, OffsetTracker] = {}
        self._safe: dict[int, int] = {}
        self._bytes = 0

    @property
    def waiting(self) -> int:
        """Events in hand that are not done with."""
        return sum(len(queue) for queue in self._jobs.values())

    @property
    def full(self) -> bool:
        """True when no more should be read."""
        return self.waiting >= MAX_EVENTS or self._bytes >= MAX_BYTES

    @property
    def oldest(self) -> float | None:
        """When Kafka got the event that waits longest, in seconds since 1970."""
        return min((queue[0][1].born for queue in self._jobs.values()), default=None)

    @property
    def safe(self) -> Mapping[int, int]:
        """The next offset to read, by partition, if we started anew."""
        return self._safe

    def take(self, records: Iterable[ConsumerRecord]) -> None:
        """Line them up, in the order of their partitions; what nobody asked for is done with at once."""
        for record in records:
            self._trackers.setdefault(record.partition, OffsetTracker()).start(record.offset)
            message = message_of(record)
            if message is None or not self._wants(message):
                self._done((record.partition, record.offset))
            else:
                self._line_up((record.partition, record.offset), message)

    async def let_go(self) -> None:
        """Stop everything and forget it: it is read again from what was committed, here or elsewhere."""
        tasks = list(self._tasks)
        self._jobs, self._trackers, self._safe, self._bytes = {}, {}, {}, 0
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _line_up(self, place: Place, message: Message) -> None:
        self._bytes += len(message.body)
        queue = self._jobs.get(message.job_id)
        if queue is not None:
            queue.append((place, message))
            return
        self._jobs[message.job_id] = deque([(place, message)])
        task = asyncio.create_task(self._work_through(message.job_id), name=f"webhooks of {message.job_id}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def _work_through(self, job_id: str) -> None:
        queue = self._jobs[job_id]
        while queue:
            place, message = queue[0]
            if not await self._deliver(message):
                return
            queue.popleft()
            self._bytes -= len(message.body)
            self._done(place)
        del self._jobs[job_id]

    def _done(self, place: Place) -> None:
        partition, offset = place
        self._safe[partition] = self._trackers[partition].done(offset)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)
