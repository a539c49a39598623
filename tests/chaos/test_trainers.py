"""Proves that a job survives its trainer, and that many trainers share many jobs without doing one twice.

Two trainers with a lease of three seconds. The one that has the job is killed, or told to stop, after its first
checkpoint; the other must take the job over as attempt 2, go on from the checkpoint and end it, exactly once.
"""

import signal
import time
from pathlib import Path

import pytest

from tests.chaos.breakable import Breakable
from tests.e2e.status_topic import Log
from tests.e2e.system import numbers_by_source

TRAINING = {"max_steps": 40, "save_strategy": "steps", "save_steps": 3}


def ended_once(chaos: Breakable, log: Log, job_id: str) -> None:
    """One result, one image, events without gaps, and a row that says the same."""
    end = log.end(job_id)
    log.all()
    assert end.type == "job.succeeded"
    ends = {r.header("ce_id") for r in log.events(job_id) if r.type in {"job.succeeded", "job.failed"}}
    assert ends == {end.header("ce_id")}
    for source, numbers in numbers_by_source(log.events(job_id)).items():
        assert numbers == list(range(1, len(numbers) + 1)), source
    volume = chaos.system.home / "volumes" / "adapters"
    assert [path.name for path in volume.iterdir() if job_id in path.name] == [job_id]
    log.until(lambda: any(r.data["state"] == "succeeded" for r in log.on("tuning.jobs.v1", job_id)), "the row")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_another_trainer_goes_on_where_one_ended(chaos: Breakable, tmp_path: Path, number: signal.Signals) -> None:
    job_id = chaos.submit(tmp_path, f"orphan-{number.name.lower()}", **TRAINING)
    with chaos.log() as log:
        first = log.event("job.claimed", job_id)
        log.event("checkpoint.saved", job_id)
        at = time.monotonic()
        chaos.kill(chaos.worker_pid(first), number)
        claims = log.until(lambda: [r for r in log.events(job_id) if r.type == "job.claimed"][1:], "a second claim")
        waited = time.monotonic() - at
        ended_once(chaos, log, job_id)

        assert [(r.data["attempt"], r.data["worker"] != first.data["worker"]) for r in claims] == [(2, True)]
        resumed = log.event("training.resumed", job_id)
        assert (resumed.data["attempt"], resumed.data["step"] >= 3) == (2, True)
        given_back = [r for r in log.events(job_id) if r.type == "job.queued" and r.data["attempt"] == 1]
        # A trainer that is told to stop gives the job back; one that is killed cannot, and its lease has to run out.
        assert [r.data["reason"] for r in given_back] == (["WorkerStopped"] if number is signal.SIGTERM else [])
        if number is signal.SIGKILL:
            assert waited >= 2


def test_two_trainers_and_six_jobs_make_six_attempts(chaos: Breakable, tmp_path: Path) -> None:
    # Long enough that one trainer alone cannot keep up with the requests.
    ids = [chaos.submit(tmp_path, f"crowd-{number}", max_steps=20) for number in range(6)]
    with chaos.log() as log:
        for job_id in ids:
            assert log.end(job_id).type == "job.succeeded"
        claims = [r for r in log.events() if r.type == "job.claimed" and r.key in ids]
        assert sorted((r.key, r.data["attempt"]) for r in claims) == sorted((job_id, 1) for job_id in ids)
    assert len({r.data["worker"] for r in claims}) == 2
    for job_id in ids:
        attempts = chaos.system.home / "store" / "jobs" / job_id / "attempts"
        assert [path.name for path in attempts.glob("*.json")] == ["1.json"]
