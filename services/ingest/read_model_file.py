"""Which SQLite file a process has: its own, kept from the last run when it is sound, else made anew."""

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from services.ingest import read_tables
from services.ingest.kafka_log import KafkaLog

log = structlog.get_logger()
MAX_PROCESSES = 64


@contextmanager
def own_file(folder: Path) -> Iterator[Path]:
    """Give the first `read-model-<n>.sqlite` that no other process holds; a lock keeps it ours."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(MAX_PROCESSES):
        with (folder / f"read-model-{number}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            yield folder / f"read-model-{number}.sqlite"
            return
    raise OSError(f"all {MAX_PROCESSES} read models in {folder} are in use")


def open_or_rebuild(file: Path, log_now: KafkaLog) -> sqlite3.Connection:
    """Give the writing connection; a file that is broken, of another version or not of these topics starts empty."""
    try:
        connection = read_tables.connect(file)
        if read_tables.fits(connection, log_now.cluster) and not _is_ahead(connection, log_now):
            return connection
        connection.close()
    except sqlite3.Error as error:
        log.warning("the read model is unusable", file=str(file), error=str(error))
    log.info("the read model is built anew from Kafka", file=str(file))
    return start_empty(file, log_now.cluster)


def start_empty(file: Path, cluster: str) -> sqlite3.Connection:
    """Remove the file and make the tables."""
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            file.with_name(file.name + suffix).unlink()
    connection = read_tables.connect(file)
    read_tables.create(connection, cluster)
    return connection


def _is_ahead(connection: sqlite3.Connection, log_now: KafkaLog) -> bool:
    """A topic that ends before the place where the file has arrived was made anew."""
    return any(following > log_now.ends.get(place, 0) for place, following in read_tables.positions(connection).items())
