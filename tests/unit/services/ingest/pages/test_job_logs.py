"""Lines of the services' logs about one job."""

from pathlib import Path

import pytest

from services.ingest.pages import job_logs
from services.ingest.pages.job_logs import lines_about


def test_lines_with_the_jobs_id_or_its_traces_are_found_in_every_log(tmp_path: Path) -> None:
    (tmp_path / "ingest.log").write_text('{"job": "a"}\n{"job": "b"}\n')
    (tmp_path / "trainer.log").write_text('{"trace_id": "t"}\n{"other": 1}\n')
    (tmp_path / "trainer.log.1").write_text('{"job": "a"}\n')
    assert lines_about(tmp_path, '"a"', '"t"') == b'{"job": "a"}\n{"trace_id": "t"}\n'
    assert lines_about(tmp_path, "", "") == b""


def test_a_long_log_is_read_from_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_logs, "MOST_BYTES", 20)
    (tmp_path / "ingest.log").write_text("a long line about a\na2\na3\n")
    assert lines_about(tmp_path, "a") == b"a2\na3\n"
