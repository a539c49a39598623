"""The read model's tables in SQLite, and every statement on them. Called from threads; each has its own connection.

Offsets are written in the transaction of the records that they stand for, so a file is never ahead of or behind
itself.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE jobs (
  job_id TEXT PRIMARY KEY, namespace TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL,
  created_at TEXT NOT NULL, version INTEGER NOT NULL, row TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX jobs_by_age ON jobs (created_at, job_id);
CREATE INDEX jobs_by_state ON jobs (state, created_at, job_id);
CREATE TABLE events (
  partition INTEGER NOT NULL, offset INTEGER NOT NULL, job_id TEXT NOT NULL, event_id TEXT NOT NULL,
  data TEXT NOT NULL, PRIMARY KEY (partition, offset)
) WITHOUT ROWID;
CREATE UNIQUE INDEX events_once ON events (job_id, event_id);
CREATE INDEX events_of_job ON events (job_id, offset);
CREATE TABLE positions (
  topic TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
CREATE TABLE origin (cluster TEXT NOT NULL);
"""
_SAVE_JOB = """
INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (job_id) DO UPDATE SET
  namespace = excluded.namespace, name = excluded.name, state = excluded.state, created_at = excluded.created_at,
  version = excluded.version, row = excluded.row
WHERE excluded.version > jobs.version
"""
_SAVE_POSITION = """
INSERT INTO positions VALUES (?, ?, ?) ON CONFLICT (topic, partition) DO UPDATE SET next = max(next, excluded.next)
"""


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A row of the jobs topic; `row` None is a tombstone."""

    job_id: str
    namespace: str = ""
    name: str = ""
    state: str = ""
    created_at: str = ""
    version: int = 0
    row: str | None = None


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event, its `data` as HTTP gives it: one flat JSON object."""

    partition: int
    offset: int
    job_id: str
    event_id: str
    data: str


Positions = Mapping[tuple[str, int], int]
"""Topic and partition to the next offset."""


def connect(file: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open a connection that one thread at a time uses."""
    uri = f"{file.absolute().as_uri()}?mode=ro" if read_only else file.absolute().as_uri()
    connection = sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None, timeout=30)
    connection.execute("PRAGMA synchronous = NORMAL" if not read_only else "PRAGMA query_only = ON")
    return connection


def create(connection: sqlite3.Connection, cluster: str) -> None:
    """Make the tables in an empty file and note which Kafka cluster they are built from."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(_SCHEMA)
    connection.execute("INSERT INTO origin VALUES (?)", (cluster,))
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def fits(connection: sqlite3.Connection, cluster: str) -> bool:
    """Tell whether the file has our tables, sound, built from this cluster; a broken one raises `sqlite3.Error`."""
    if connection.execute("PRAGMA user_version").fetchone()[0] != SCHEMA_VERSION:
        return False
    return bool(connection.execute("SELECT cluster FROM origin").fetchone() == (cluster,))


def save(
    connection: sqlite3.Connection, jobs: Iterable[StoredJob], events: Iterable[StoredEvent], positions: Positions
) -> None:
    """Write one batch in one transaction. Older versions of a job and events seen before change nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for job in jobs:
            if job.row is None:
                connection.execute("DELETE FROM jobs WHERE job_id = ?", (job.job_id,))
            else:
                values = (job.job_id, job.namespace, job.name, job.state, job.created_at, job.version, job.row)
                connection.execute(_SAVE_JOB, values)
        connection.executemany(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            ((event.partition, event.offset, event.job_id, event.event_id, event.data) for event in events),
        )
        places = ((topic, partition, following) for (topic, partition), following in positions.items())
        connection.executemany(_SAVE_POSITION, places)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def positions(connection: sqlite3.Connection) -> dict[tuple[str, int], int]:
    """Where each topic's partitions are read up to."""
    found = connection.execute("SELECT topic, partition, next FROM positions")
    return {(topic, partition): following for topic, partition, following in found}


def rows(connection: sqlite3.Connection, job_ids: Sequence[str]) -> dict[str, str]:
    """The rows of those of the jobs that exist, as JSON texts."""
    marks = ",".join("?" * len(job_ids))
    return dict(connection.execute(f"SELECT job_id, row FROM jobs WHERE job_id IN ({marks})", tuple(job_ids)))  # noqa: S608


def page(
    connection: sqlite3.Connection, states: Sequence[str], before: tuple[str, str] | None, limit: int, text: str = ""
) -> list[tuple[str, str, str]]:
    """Jobs from new to old as (created_at, job_id, row); `before` is the last one of the page before.

    With `text` only those whose id has it somewhere.
    """
    conditions, values = [], list[str | int]()
    if states:
        conditions.append(f"state IN ({','.join('?' * len(states))})")
        values += states
    if before:
        conditions.append("(created_at, job_id) < (?, ?)")
        values += before
    if text:
        conditions.append("instr(job_id, ?) > 0")
        values.append(text)
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    query = f"SELECT created_at, job_id, row FROM jobs {where} ORDER BY created_at DESC, job_id DESC LIMIT ?"  # noqa: S608
    return connection.execute(query, (*values, limit)).fetchall()


def counts(connection: sqlite3.Connection) -> dict[str, tuple[int, str]]:
    """How many jobs each state has, and when the oldest of them was created."""
    found = connection.execute("SELECT state, count(*), min(created_at) FROM jobs GROUP BY state")
    return {state: (count, oldest) for state, count, oldest in found}


def events(connection: sqlite3.Connection, job_id: str, after: int, limit: int) -> list[tuple[int, str, str]]:
    """A job's events in order as (offset, event id, data); `after` is an offset, -1 for all."""
    query = "SELECT offset, event_id, data FROM events WHERE job_id = ? AND offset > ? ORDER BY offset LIMIT ?"
    return connection.execute(query, (job_id, after, limit)).fetchall()


def offset_of(connection: sqlite3.Connection, job_id: str, event_id: str) -> int | None:
    """Where an event stands, for those who go on after it."""
    query = "SELECT offset FROM events WHERE job_id = ? AND event_id = ?"
    found = connection.execute(query, (job_id, event_id)).fetchone()
    return None if found is None else int(found[0])


def prune(connection: sqlite3.Connection, oldest: Mapping[int, int]) -> None:
    """Forget events that their topic no longer has; `oldest` is the first offset of each partition."""
    places = ((partition, offset) for partition, offset in oldest.items())
    connection.executemany("DELETE FROM events WHERE partition = ? AND offset < ?", places)
