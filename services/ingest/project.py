"""Events into rows: the one writer of each job's row on the jobs topic.

The process that owns a partition of the events topic writes the rows of its jobs. Before it touches a partition it
has read all that was written about it, and only what it folded itself comes after that.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from pydantic import ValidationError

from schemas.envelope import encode
from schemas.jobs import JobRow, Position, fold
from schemas.topics import JOBS
from services.common.kafka.consume import Received
from services.common.kafka.dead_letters import fault_of_ours
from services.common.kafka.producer import Producer
from services.ingest.events import row_envelope

RowsOf = Callable[[Sequence[str]], Awaitable[dict[str, JobRow]]]
CatchUp = Callable[[Collection[int]], Awaitable[None]]
OnEnd = Callable[[JobRow], None]
MAX_ROWS = 20_000


class Projector:
    """Folds batches of events. A repeated batch changes nothing, for a row knows what it has seen."""

    def __init__(self, producer: Producer, rows_of: RowsOf, catch_up: CatchUp, on_end: OnEnd = lambda _: None) -> None:
        """`catch_up(partitions)` returns once the read model has every row of theirs; `on_end` hears of ended jobs."""
        self._producer, self._rows_of, self._catch_up = producer, rows_of, catch_up
        self._on_end = on_end
        self._rows: dict[str, JobRow] = {}
        self._owned: set[int] = set()
        self._working = asyncio.Lock()

    async def project(self, batch: list[Received]) -> Mapping[int, str]:
        """Write the rows that the batch changed, one for each job; give the reason for each index that is no event."""
        async with self._working:
            await self._take_over({received.partition for received in batch})
            known = await self._known({_key(received) for received in batch})
            changed, unusable = fold_batch(batch, known)
            await self._write(changed)
            self._rows |= changed
            for row in changed.values():
                if row.state.terminal:  # A row that has ended changes no more.
                    self._on_end(row)
            return unusable

    async def forget(self) -> None:
        """Another process may own the partitions from now on; returns when nothing of ours is being written."""
        async with self._working:
            self._rows.clear()
            self._owned.clear()

    async def _take_over(self, partitions: set[int]) -> None:
        new = partitions - self._owned
        if new:
            await self._catch_up(new)
            self._owned |= new

    async def _known(self, job_ids: set[str]) -> dict[str, JobRow]:
        await self._shrink()
        found = await self._rows_of(sorted(job_ids - self._rows.keys()))
        return found | {job_id: self._rows[job_id] for job_id in job_ids & self._rows.keys()}

    async def _shrink(self) -> None:
        """Drop rows that the read model has by now."""
        if len(self._rows) > MAX_ROWS:
            stored = await self._rows_of(list(self._rows))
            self._rows = {
                job_id: row
                for job_id, row in self._rows.items()
                if job_id not in stored or stored[job_id].version < row.version
            }

    async def _write(self, rows: Mapping[str, JobRow]) -> None:
        sent = []
        for job_id, row in rows.items():
            value, headers = encode(row_envelope(row))
            sent.append(await self._producer.enqueue(JOBS.name, job_id.encode(), value, headers))
        await asyncio.gather(*sent)


def fold_batch(batch: Sequence[Received], known: Mapping[str, JobRow]) -> tuple[dict[str, JobRow], dict[int, str]]:
    """Give the rows that change and, by index, why a record is no event of ours. Pure."""
    changed: dict[str, JobRow] = {}
    unusable: dict[int, str] = {}
    for index, received in enumerate(batch):
        job_id = _key(received)
        if not job_id or (received.envelope.data or {}).get("jobId") != job_id:
            unusable[index] = "the key of an event must be the jobId in its data"
            continue
        try:
            position = Position(partition=received.partition, offset=received.offset)
            row = fold(changed.get(job_id) or known.get(job_id), received.envelope, position)
        except ValidationError as error:
            unusable[index] = f"the data does not fit its type {received.envelope.type}: {_first(error)}"
            continue
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told.
            # Anybody may write to the topic, and one event must not end this at every start.
            unusable[index] = fault_of_ours(error)
            continue
        if row is not None:
            changed[job_id] = row
    return changed, unusable


def _key(received: Received) -> str:
    return (received.key or b"").decode(errors="replace")


def _first(error: ValidationError) -> str:
    found = error.errors()[0]
    return f"{'.'.join(str(part) for part in found['loc'])}: {found['msg']}"
