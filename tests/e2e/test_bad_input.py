"""Proves that what cannot work ends in words that name what and where, in the promised exit code, and in a job's end.

Each case goes through the installed command on the embedded default; where a server is missing, its address leads to
a port that nobody listens at. Commands without any server are looked at in `lorabus/test_no_servers.py`.
"""

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e import requests
from tests.e2e.system import NOBODY, PATIENCE, System

DATASETS = {
    "without-files": ({}, "DatasetEmpty", ["persistentVolumeClaim no-rows-without-files", ".jsonl"]),
    "untrainable": ({"rows.jsonl": '{"prompt": "a", "completion": ""}\n' * 5}, "DatasetInvalid", ["rows.jsonl"]),
}
DEAD_STORE = {
    "LORABUS_STORE": "s3://bucket",
    "LORABUS_S3_ENDPOINT": f"http://{NOBODY}",
    "LORABUS_S3_ACCESS_KEY": "a",
    "LORABUS_S3_SECRET_KEY": "b",
}


@pytest.mark.parametrize("case", DATASETS)
def test_a_dataset_without_a_usable_row_fails_the_job_at_once(embedded: System, tmp_path: Path, case: str) -> None:
    files, reason, words = DATASETS[case]
    name = embedded.claim(f"no-rows-{case}", files)
    done = embedded.run("submit", requests.write(tmp_path, *requests.documents(name, data=name)), "--wait", "--json")
    end = done.lines[-1]
    assert (done.code, end["type"], end["attempt"]) == (1, "job.failed", 1)
    assert (end["reason"], end["retryable"], end["help"]) == (reason, False, f"docs/errors.md#{reason.lower()}")
    assert [word for word in words if word not in end["message"]] == []


def test_an_unknown_preset_is_rejected_with_the_nearest_one(embedded: System, tmp_path: Path) -> None:
    done = embedded.run("submit", requests.write(tmp_path, *requests.documents("unknown", preset="falcon-7c")))
    assert done.code == 1
    assert "tuning.preset.name" in done.err
    assert "falcon-7b" in done.err


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"LORABUS_KAFKA": NOBODY}, f"Kafka at {NOBODY} is not reachable"),
        (DEAD_STORE, f"s3://bucket on http://{NOBODY} is not reachable"),
    ],
)
def test_no_service_starts_without_its_servers(
    embedded: System, tmp_path: Path, settings: dict[str, str], words: str
) -> None:
    with ExitStack() as stack:
        starts = [
            stack.enter_context(embedded.running("serve", name, LORABUS_HOME=str(tmp_path), **settings))
            for name in ("ingest", "trainer", "publisher")
        ]
        for start in starts:
            out, err = start.communicate(timeout=PATIENCE)
            assert start.returncode == 3, err
            assert words in out + err


def test_a_registry_that_is_not_there_fails_the_job_after_the_retries(embedded: System, tmp_path: Path) -> None:
    """The adapter is kept, and the same request tries to publish it without training."""
    embedded.secret("registry")
    documents = requests.documents("registry", output=requests.image(f"{NOBODY}/team/adapters:v1"))
    done = embedded.run("submit", requests.write(tmp_path, *documents), "--wait", "--json")
    end = done.lines[-1]
    assert (done.code, end["type"], end["reason"]) == (1, "job.failed", "RegistryUnavailable")
    assert f"{NOBODY}/team/adapters:v1" in end["message"]
    assert (embedded.home / "store" / "jobs" / end["jobId"] / "adapter" / "manifest.json").exists()

    again = embedded.run("submit", requests.write(tmp_path, *documents), "--wait", "--json")
    assert (again.code, again.lines[-1]["reason"]) == (1, "RegistryUnavailable")
    assert again.lines[-1]["jobId"] != end["jobId"]
    types = [line["type"] for line in again.lines]
    assert "adapter.trained" in types
    assert [name for name in types if name.startswith(("training.", "dataset."))] == []


def test_a_registry_that_is_not_there_is_named_by_pull(embedded: System, tmp_path: Path) -> None:
    done = embedded.run("pull", f"{NOBODY}/team/adapters:v1", "-o", str(tmp_path))
    assert done.code == 3
    assert NOBODY in done.err


def test_no_job_is_left_hanging(embedded: System) -> None:
    rows = embedded.good("jobs", "--json").lines
    assert rows
    assert {row["state"] for row in rows} <= {"succeeded", "failed", "cancelled", "rejected"}
