"""The read model: what Kafka says, once, in order, whatever comes twice, and thrown away when it cannot be trusted."""

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schemas.events import State
from schemas.jobs import JobRow
from services.ingest import read_tables
from services.ingest.kafka_log import KafkaLog
from services.ingest.read_model import open_read_model
from services.ingest.read_model_file import open_or_rebuild, own_file
from services.ingest.read_records import stored_job
from services.ingest.read_tables import StoredEvent, StoredJob

LOG = KafkaLog("cluster", {}, {("jobs", 0): 100, ("events", 0): 100})
START = datetime(2026, 1, 1, tzinfo=UTC)


def job(number: int, version: int = 1, state: State = State.PENDING) -> StoredJob:
    return stored_job(
        JobRow(
            job_id=f"default.j{number}.0123456789ab",
            state=state,
            kaito_state=state.kaito,
            created_at=START + timedelta(seconds=number),
            updated_at=START,
            version=version,
        )
    )


def event(offset: int, event_id: str, job_id: str = "j") -> StoredEvent:
    return StoredEvent(0, offset, job_id, event_id, f'{{"id":"{event_id}"}}')


async def test_an_older_version_of_a_row_changes_nothing(tmp_path: Path) -> None:
    async with open_read_model(tmp_path, LOG) as model:
        await model.apply([job(1, 2, State.RUNNING)], [], {})
        await model.apply([job(1, 1, State.PENDING)], [], {})
        row = await model.row(job(1).job_id)
    assert row is not None
    assert row.state is State.RUNNING


async def test_a_tombstone_removes_a_job(tmp_path: Path) -> None:
    async with open_read_model(tmp_path, LOG) as model:
        await model.apply([job(1)], [], {})
        await model.apply([StoredJob(job(1).job_id)], [], {})
        assert await model.row(job(1).job_id) is None


async def test_an_event_that_is_sent_again_stands_once_where_it_came_first(tmp_path: Path) -> None:
    async with open_read_model(tmp_path, LOG) as model:
        await model.apply([], [event(1, "a"), event(2, "b"), event(7, "a"), event(8, "c", "other")], {})
        found = await model.events("j")
        assert await model.offset_of("j", "a") == 1
        assert await model.offset_of("j", "absent") is None
    assert [(offset, event_id) for offset, event_id, _ in found] == [(1, "a"), (2, "b")]


async def test_pages_go_from_new_to_old_without_a_gap(tmp_path: Path) -> None:
    async with open_read_model(tmp_path, LOG) as model:
        await model.apply([job(number) for number in range(25)], [], {})
        seen, before = list[str](), None
        while page := await model.page([], before, 10):
            seen += [job_id for _, job_id, _ in page]
            before = (page[-1][0], page[-1][1])
    assert seen == [job(number).job_id for number in reversed(range(25))]


async def test_pages_and_counts_by_state(tmp_path: Path) -> None:
    async with open_read_model(tmp_path, LOG) as model:
        await model.apply([job(1), job(2, state=State.FAILED), job(3), job(4, state=State.CANCELLED)], [], {})
        page = await model.page(["pending", "failed"], None, 10)
        counts = await model.counts()
    assert [job_id.split(".")[1] for _, job_id, _ in page] == ["j3", "j2", "j1"]
    assert {state: count for state, (count, _) in counts.items()} == {"pending": 2, "failed": 1, "cancelled": 1}


async def test_a_batch_that_fails_leaves_neither_rows_nor_offsets(tmp_path: Path) -> None:
    broken = StoredEvent(0, 1, "j", "a", None)  # type: ignore[arg-type]
    async with open_read_model(tmp_path, LOG) as model:
        with pytest.raises(sqlite3.IntegrityError):
            await model.apply([job(1)], [broken], {("jobs", 0): 5})
        assert await model.row(job(1).job_id) is None
        assert dict(model.positions) == {}


async def test_the_file_is_taken_up_where_it_was_left(tmp_path: Path) -> None:
    async with open_read_model(tmp_path, LOG) as model:
        await model.apply([job(1)], [event(1, "a")], {("jobs", 0): 3, ("events", 0): 2})
    async with open_read_model(tmp_path, LOG) as model:
        assert dict(model.positions) == {("jobs", 0): 3, ("events", 0): 2}
        assert await model.row(job(1).job_id) is not None


@pytest.mark.parametrize(
    "log",
    [
        KafkaLog("another cluster", {}, LOG.ends),
        KafkaLog("cluster", {}, {("jobs", 0): 2}),
        KafkaLog("cluster", {}, {}),
    ],
)
async def test_a_file_that_does_not_fit_what_kafka_holds_starts_empty(tmp_path: Path, log: KafkaLog) -> None:
    async with open_read_model(tmp_path, LOG) as model:
        await model.apply([job(1)], [], {("jobs", 0): 3})
    async with open_read_model(tmp_path, log) as model:
        assert await model.row(job(1).job_id) is None
        assert dict(model.positions) == {}


@pytest.mark.parametrize("damage", [b"no database at all" * 400, b"", b"SQLite format 3\x00" + b"\xff" * 5000])
async def test_a_damaged_file_starts_empty(tmp_path: Path, damage: bytes) -> None:
    async with open_read_model(tmp_path, LOG) as model:
        await model.apply([job(1)], [], {("jobs", 0): 3})
    (tmp_path / "read-model-0.sqlite").write_bytes(damage)
    async with open_read_model(tmp_path, LOG) as model:
        await model.apply([job(2)], [], {})
        assert await model.row(job(1).job_id) is None
        assert await model.row(job(2).job_id) is not None


def test_a_file_of_another_version_starts_empty(tmp_path: Path) -> None:
    file = tmp_path / "a.sqlite"
    with open_or_rebuild(file, LOG) as connection:
        read_tables.save(connection, [job(1)], [], {})
        connection.execute("PRAGMA user_version = 99")
    assert read_tables.rows(open_or_rebuild(file, LOG), [job(1).job_id]) == {}


def test_each_process_has_a_file_of_its_own_and_the_next_one_takes_it_over(tmp_path: Path) -> None:
    with own_file(tmp_path) as first, own_file(tmp_path) as second:
        assert first != second
    with own_file(tmp_path) as again:
        assert again == first


async def test_who_waits_for_an_offset_is_woken_by_it(tmp_path: Path) -> None:
    async with open_read_model(tmp_path, LOG) as model:
        waiting = asyncio.create_task(model.reach("jobs", 0, 5))
        await model.apply([], [], {("jobs", 0): 4})
        assert not waiting.done()
        await model.apply([], [], {("jobs", 0): 5})
        await asyncio.wait_for(waiting, 5)


async def test_who_watches_a_job_is_woken_by_its_events_alone(tmp_path: Path) -> None:
    async with open_read_model(tmp_path, LOG) as model:
        with model.watch("j") as changed:
            await model.apply([job(1)], [event(1, "a", "other")], {})
            assert not changed.is_set()
            await model.apply([], [event(2, "b")], {})
            assert changed.is_set()


async def test_events_that_kafka_no_longer_has_are_forgotten(tmp_path: Path) -> None:
    async with open_read_model(tmp_path, LOG) as model:
        await model.apply([], [event(1, "a"), event(5, "b")], {})
        await model.prune({0: 5})
        assert [event_id for _, event_id, _ in await model.events("j")] == ["b"]
