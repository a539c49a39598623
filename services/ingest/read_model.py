"""What ingest knows of all jobs and their events: one SQLite file for each process, built from Kafka.

It is a copy that can be thrown away. Everything here happens in two threads, one that writes and one that reads;
the event loop never waits for the disk.
"""

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from schemas.jobs import JobRow
from services.ingest import read_tables
from services.ingest.kafka_log import KafkaLog
from services.ingest.read_model_file import open_or_rebuild, own_file
from services.ingest.read_tables import Positions, StoredEvent, StoredJob

P = ParamSpec("P")
T = TypeVar("T")
MAX_IDS = 500


class ReadModel:
    """Jobs and events by SQL; `apply` writes, the rest reads. Build it with `open_read_model`."""

    def __init__(self, file: Path, writer: sqlite3.Connection) -> None:
        """Take the writing connection; the positions that the file was left at are known at once."""
        self._writer, self._reader = writer, read_tables.connect(file, read_only=True)
        self._write_thread = ThreadPoolExecutor(1, "read-model-write")
        self._read_thread = ThreadPoolExecutor(1, "read-model-read")
        self._positions = read_tables.positions(writer)
        self._moved = asyncio.Condition()
        self.version = 0
        self._watchers: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    @property
    def positions(self) -> Positions:
        """Topic and partition to the next offset that is not applied yet."""
        return self._positions

    async def apply(self, jobs: Sequence[StoredJob], events: Sequence[StoredEvent], positions: Positions) -> None:
        """Write a batch, then wake those who wait for it."""
        await self._in(self._write_thread, read_tables.save, self._writer, jobs, events, positions)
        for place, following in positions.items():
            self._positions[place] = max(following, self._positions.get(place, 0))
        async with self._moved:
            self.version += bool(jobs or events)
            self._moved.notify_all()
        touched = {job.job_id for job in jobs} | {event.job_id for event in events}
        for job_id in touched & self._watchers.keys():
            for watcher in self._watchers[job_id]:
                watcher.set()

    async def reach(self, topic: str, partition: int, offset: int) -> None:
        """Return once everything before `offset` is applied."""
        async with self._moved:
            await self._moved.wait_for(lambda: self._positions.get((topic, partition), 0) >= offset)

    async def changed_since(self, version: int) -> None:
        """Return once something was written after that version."""
        async with self._moved:
            await self._moved.wait_for(lambda: self.version > version)

    async def rows(self, job_ids: Sequence[str]) -> dict[str, JobRow]:
        """The rows of those of the jobs that are known."""
        found: dict[str, JobRow] = {}
        for start in range(0, len(job_ids), MAX_IDS):
            texts = await self._read(read_tables.rows, job_ids[start : start + MAX_IDS])
            found |= {job_id: JobRow.model_validate_json(text) for job_id, text in texts.items()}
        return found

    async def row(self, job_id: str) -> JobRow | None:
        """One job's row."""
        return (await self.rows([job_id])).get(job_id)

    async def page(
        self, states: Sequence[str], before: tuple[str, str] | None, limit: int, text: str = ""
    ) -> list[tuple[str, str, str]]:
        """Jobs from new to old as (created_at, job_id, row as JSON); with `text` those whose id has it."""
        return await self._read(read_tables.page, states, before, limit, text)

    async def counts(self) -> dict[str, tuple[int, str]]:
        """Number of jobs and time of the oldest one, by state."""
        return await self._read(read_tables.counts)

    async def events(self, job_id: str, after: int = -1, limit: int = 1000) -> list[tuple[int, str, str]]:
        """A job's events in order as (offset, id, flat JSON)."""
        return await self._read(read_tables.events, job_id, after, limit)

    async def offset_of(self, job_id: str, event_id: str) -> int | None:
        """Where an event of the job stands."""
        return await self._read(read_tables.offset_of, job_id, event_id)

    async def prune(self, oldest: Mapping[int, int]) -> None:
        """Forget events that Kafka no longer has."""
        await self._in(self._write_thread, read_tables.prune, self._writer, oldest)

    @contextmanager
    def watch(self, job_id: str) -> Iterator[asyncio.Event]:
        """Give an event that is set with each change of the job; the watcher clears it before it looks."""
        changed = asyncio.Event()
        self._watchers[job_id].add(changed)
        try:
            yield changed
        finally:
            self._watchers[job_id].discard(changed)
            if not self._watchers[job_id]:
                del self._watchers[job_id]

    def close(self) -> None:
        """Finish what is being written."""
        for thread in (self._write_thread, self._read_thread):
            thread.shutdown()
        self._reader.close()
        self._writer.close()

    async def _read(
        self, statement: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self._in(self._read_thread, statement, self._reader, *args, **kwargs)

    @staticmethod
    async def _in(thread: ThreadPoolExecutor, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(thread, lambda: call(*args, **kwargs))


@asynccontextmanager
async def open_read_model(folder: Path, log_now: KafkaLog) -> AsyncIterator[ReadModel]:
    """Open this process's file, kept from the last run where it fits what Kafka holds."""
    with own_file(folder) as file:
        model = ReadModel(file, open_or_rebuild(file, log_now))
        try:
            yield model
        finally:
            model.close()
