"""Which job a trainer tries next."""

import random
from datetime import UTC, datetime, timedelta

from schemas.events import State
from schemas.jobs import JobRow
from services.trainer.queue import FIRST_FEW, JobTable

START = datetime(2026, 1, 1, tzinfo=UTC)


def row(name: str, state: State = State.PENDING, version: int = 1, age: int = 0) -> JobRow:
    at = START - timedelta(seconds=age)
    return JobRow(
        job_id=name,
        state=state,
        kaito_state=state.kaito,
        created_at=at,
        updated_at=at,
        version=version,
        spec_digest="d",
    )


def table(*rows: JobRow, seed: int = 0) -> JobTable:
    jobs = JobTable(random.Random(seed))
    for item in rows:
        jobs.apply(item, 0.0)
    return jobs


def test_trainers_spread_over_the_oldest_few() -> None:
    rows = [row(f"j{age}", age=age) for age in range(20)]
    picked = {waiting.job_id for seed in range(50) if (waiting := table(*rows, seed=seed).next_waiting(1.0))}
    assert picked == {f"j{age}" for age in range(20 - FIRST_FEW, 20)}


def test_an_older_version_of_a_row_is_ignored() -> None:
    jobs = table(row("a", State.RUNNING, version=3))
    jobs.apply(row("a", State.PENDING, version=2), 1.0)
    assert jobs.next_waiting(1.0) is None


def test_jobs_that_need_no_trainer_leave_the_table() -> None:
    jobs = table(row("a"), row("b"))
    jobs.apply(row("a", State.PUBLISHING, version=2), 1.0)
    jobs.apply(row("b", State.CANCELLED, version=2), 1.0)
    assert jobs.counts() == {}


def test_a_deferred_job_waits() -> None:
    jobs = table(row("a"))
    jobs.defer("a", until=5.0)
    assert jobs.next_waiting(4.9) is None
    assert jobs.next_waiting(5.0) is not None


def test_only_claimed_jobs_that_stay_silent_are_looked_at() -> None:
    jobs = table(row("a", State.RUNNING), row("b"), row("c", State.STAGING))
    jobs.apply(row("c", State.STAGING, version=2), 20.0)
    assert [silent.job_id for silent in jobs.silent(30.0, for_seconds=30.0)] == ["a"]


def test_the_age_of_the_oldest_waiting_job() -> None:
    assert table(row("a", age=7), row("b", age=3)).oldest_waiting_seconds(START) == 7.0
    assert table(row("a", State.RUNNING, age=7)).oldest_waiting_seconds(START) == 0.0


def test_a_job_that_is_prepared_comes_first_but_only_of_the_oldest_few() -> None:
    rows = [row(f"j{age}", age=age) for age in range(20)]
    for seed in range(20):
        jobs = table(*rows, seed=seed)
        among, behind = jobs.next_waiting(1.0, preferred={"j17"}), jobs.next_waiting(1.0, preferred={"j3"})
        assert among is not None
        assert behind is not None
        assert (among.job_id, behind.job_id == "j3") == ("j17", False)


def test_what_is_left_out_is_not_picked() -> None:
    jobs = table(row("a", age=2), row("b", age=1))
    picked = jobs.next_waiting(1.0, without={"a"})
    assert picked is not None
    assert picked.job_id == "b"
    assert jobs.next_waiting(1.0, without={"a", "b"}) is None
