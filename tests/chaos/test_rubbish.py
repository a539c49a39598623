"""Proves that rubbish on any topic is put aside with its reason, and that the next job works as if it had not come.

Each topic gets the same handful of broken records. Every reader must leave a dead letter that names where the record
stood, and no process may die of it.
"""

from pathlib import Path

import pytest

from tests.chaos.breakable import Breakable
from tests.e2e.status_topic import send

HEADERS = {"ce_specversion": b"1.0", "ce_id": b"1", "ce_source": b"nobody"}
RUBBISH: list[tuple[bytes, dict[str, bytes]]] = [
    (b"\x00\xff not an event", {}),
    (b"[" * 50_000, {**HEADERS, "ce_type": b"lorabus.job.row.v1"}),
    (b"{}", {**HEADERS, "ce_type": b"\xff\xfe"}),
    (b'["no object"]', {**HEADERS, "ce_type": b"lorabus.job.accepted.v1"}),
    (b'{"jobId": 7, "attempt": "many"}', {**HEADERS, "ce_type": b"lorabus.adapter.trained.v1"}),
]
READERS = {
    "tuning.requests.v1": {"ingest"},
    "tuning.commands.v1": {"ingest"},
    "tuning.events.v1": {"ingest"},
    "tuning.jobs.v1": {"trainer"},
    "tuning.adapters.v1": {"publisher"},
}


@pytest.mark.parametrize("topic", READERS)
def test_rubbish_becomes_dead_letters_that_say_where_it_stood(chaos: Breakable, topic: str) -> None:
    before = chaos.system.status()
    with chaos.system.log("tuning.dlq.v1") as log:
        for value, headers in RUBBISH:
            send(log.bootstrap, topic, value, key=b"rubbish", **headers)

        def letters() -> set[tuple[bytes, str]]:
            found = [r for r in log.on("tuning.dlq.v1", "rubbish") if r.header("lorabus_dlq_topic") == topic]
            return {(r.value, r.header("lorabus_dlq_service")) for r in found}

        log.until(lambda: letters() >= {(value, name) for value, _ in RUBBISH for name in READERS[topic]}, topic)
        mine = [r for r in log.on("tuning.dlq.v1", "rubbish") if r.header("lorabus_dlq_topic") == topic]
    assert all(record.header("lorabus_dlq_reason") for record in mine)
    assert all(record.header("lorabus_dlq_offset").isdigit() for record in mine)
    after = chaos.system.status()
    assert {name: part["pid"] for name, part in after.items()} == {name: part["pid"] for name, part in before.items()}


def test_dead_letters_can_be_listed_and_the_next_job_works(chaos: Breakable, tmp_path: Path) -> None:
    with chaos.log() as log:
        send(log.bootstrap, "tuning.dlq.v1", b"\xff rubbish among the dead letters", key=b"rubbish")
        assert chaos.system.good("dlq", "list", "--json").lines
        job_id = chaos.submit(tmp_path, "after-rubbish", max_steps=2)
        assert log.end(job_id).type == "job.succeeded"
    assert chaos.system.job(job_id)["state"] == "succeeded"
