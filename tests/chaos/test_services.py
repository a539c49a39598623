"""Proves that ingest, the publisher and Kafka may be killed at the worst moment without a job being lost or doubled.

Each is killed (SIGKILL) where its work is half done, and started again with `lorabus up`.
"""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.chaos.breakable import Breakable
from tests.e2e import requests
from tests.e2e.status_topic import Log, Record, send_all
from tests.e2e.system import Line, numbers_by_source

BURST = 40
ROUNDS = 5


def test_ingest_killed_between_accepting_and_projecting_gets_every_row_right(chaos: Breakable, tmp_path: Path) -> None:
    """Bursts of requests, ingest killed at the first answers, until some job was accepted and had no row yet.

    The jobs ask for data that is not there, so that each ends at once.
    """
    for number in range(ROUNDS):
        with chaos.log() as log:
            unprojected = _burst_and_kill(chaos, log, number)
            chaos.mend()
            _all_rows_are_right(log, number)
        if unprojected:
            return
    pytest.fail(f"in {ROUNDS} bursts ingest was never killed between an answer and its row")


def _burst_and_kill(chaos: Breakable, log: Log, number: int) -> set[str]:
    """Give the jobs that were accepted when ingest died, but had no row."""
    pid = chaos.pid("ingest")
    wanted = [requests.documents(_name(number, index), data="not-there") for index in range(BURST)]
    data = [{"workspace": workspace, "configMaps": {c["metadata"]["name"]: c["data"]}} for workspace, c in wanted]
    log.all()
    send_all(log.bootstrap, "tuning.requests.v1", [json.dumps(request).encode() for request in data])
    log.until(lambda: _of_burst(log.events(), number), "the first answer")
    chaos.kill(pid)
    log.all()
    accepted = {record.key for record in _of_burst(log.events(), number)}
    return accepted - {record.key for record in _of_burst(log.on("tuning.jobs.v1"), number)}


def _all_rows_are_right(log: Log, number: int) -> None:
    log.until(lambda: len(_failed(log, number)) == BURST, f"the end of {BURST} jobs")
    log.all()
    events = _of_burst(log.events(), number)
    for job_id, row in _failed(log, number).items():
        mine = [record for record in events if record.key == job_id]
        numbers = numbers_by_source(mine)
        assert row["seen"] == {":".join(source): max(found) for source, found in numbers.items()}
        assert row["version"] == len({record.header("ce_id") for record in mine})
        assert row["failure"]["reason"] == "SourceNotFound"
        assert row["attempt"] == 1
        assert all(found == list(range(1, len(found) + 1)) for found in numbers.values()), numbers
    # Sent again is sent the same.
    assert len({(record.header("ce_id"), record.value) for record in events}) == len(
        {record.header("ce_id") for record in events}
    )


def _failed(log: Log, number: int) -> dict[str, Line]:
    """The newest row of each job of the burst that has failed."""
    newest = {record.key: record.data for record in _of_burst(log.on("tuning.jobs.v1"), number)}
    return {job_id: row for job_id, row in newest.items() if row["state"] == "failed"}


def _of_burst(records: list[Record], number: int) -> list[Record]:
    return [record for record in records if record.key.startswith(f"default.{_name(number, '')}")]


def _name(number: int, index: object) -> str:
    return f"burst-{number}-{index}"


def test_a_publisher_killed_in_the_middle_of_a_push_is_finished_by_the_next(chaos: Breakable, tmp_path: Path) -> None:
    """The registry stands still while the push begins; the publisher dies there. An undisturbed push comes before."""
    undisturbed = requests.image(f"{chaos.registry}/chaos/undisturbed:v1")
    disturbed = requests.image(f"{chaos.registry}/chaos/disturbed:v1")
    with chaos.log() as log:
        before = log.end(chaos.submit(tmp_path, "undisturbed", output=undisturbed))
        publisher = chaos.pid("publisher")
        with standing_still(_registry(chaos.registry)):
            job_id = chaos.submit(tmp_path, "disturbed", output=disturbed)
            log.event("image.pushing", job_id)
            chaos.kill(publisher)
        chaos.mend()
        end = log.end(job_id)
        log.all()

        assert end.data["image"]["digest"] == before.data["image"]["digest"]
        assert end.header("ce_source") == "publisher"
        numbers = numbers_by_source(log.events(job_id))["1", "publisher"]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len({r.header("ce_id") for r in log.events(job_id) if r.type == "job.succeeded"}) == 1
        copies = {(r.header("ce_id"), r.value) for r in log.events(job_id)}
        assert len(copies) == len({event_id for event_id, _ in copies})
    (pulled,) = chaos.system.good("pull", job_id, "-o", str(tmp_path / "adapter"), "--json").lines
    assert pulled["digest"] == end.data["image"]["digest"]


def _registry(address: str) -> int:
    """The process that listens there."""
    port = int(address.rpartition(":")[2])
    return next(
        process.pid
        for process in psutil.Process().children(recursive=True)
        if any(place.laddr and place.laddr.port == port for place in process.net_connections("tcp"))
    )


@contextmanager
def standing_still(pid: int) -> Iterator[None]:
    """A process that is alive, takes connections and answers nothing."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_job_outlives_the_death_of_kafka_while_it_trains(chaos: Breakable, tmp_path: Path) -> None:
    """The trainer goes on without a broker; what it had to tell is told, in order, when Kafka is back."""
    job_id = chaos.submit(tmp_path, "kafka", max_steps=40)
    with chaos.log() as log:
        log.event("training.progress", job_id)
        chaos.kill(chaos.pid("kafka"))
    chaos.mend()
    with chaos.log() as log:
        assert log.end(job_id).type == "job.succeeded"
        log.all()
        for source, numbers in numbers_by_source(log.events(job_id)).items():
            assert numbers == list(range(1, len(numbers) + 1)), source
        assert log.until(lambda: [r for r in log.on("tuning.jobs.v1", job_id) if r.data["state"] == "succeeded"], "row")
