"""A dataset that cannot be used ends its job with the reason, and `submit --wait` with 1; no job is left hanging."""

from pathlib import Path

import pytest

from tests.e2e import requests
from tests.e2e.system import System


@pytest.mark.parametrize(
    ("claim", "files", "reason"),
    [
        ("absent", None, "SourceNotFound"),
        ("empty", {"rows.jsonl": ""}, "DatasetEmpty"),
        ("useless", {"rows.jsonl": '{"neither": "this", "nor": "that"}\n'}, "DatasetUnreadable"),
    ],
)
def test_the_job_fails_with_the_reason(
    embedded: System, tmp_path: Path, claim: str, files: dict[str, str] | None, reason: str
) -> None:
    if files is not None:
        embedded.claim(claim, files)
    workspace, config_map = requests.documents(f"data-{claim}")
    workspace["tuning"]["input"] = {"volumeSource": {"persistentVolumeClaim": {"claimName": claim}}}

    done = embedded.run("submit", requests.write(tmp_path, workspace, config_map), "--wait", "--json")

    end = done.lines[-1]
    assert (done.code, end["type"], end["reason"], end["retryable"]) == (1, "job.failed", reason, False)
    assert claim in end["message"] or "rows.jsonl" in end["message"]
    assert embedded.job(end["jobId"])["state"] == "failed"
