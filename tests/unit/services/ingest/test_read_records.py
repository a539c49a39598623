"""Rows that nothing here can hold are left out of the read model, as what cannot be read."""

import json

import pytest
from aiokafka import ConsumerRecord

from services.ingest.read_records import job_of

ROW = {"jobId": "a", "state": "running", "kaitoState": "Running", "updatedAt": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    "row",
    [{"createdAt": "0001-01-01T00:00:00+14:00"}, {"createdAt": "2026-01-01T00:00:00Z", "version": 2**70}],
    ids=["time", "number"],
)
def test_a_row_beyond_calendar_or_numbers_is_left_out(row: dict[str, object]) -> None:
    value = json.dumps(ROW | row).encode()
    assert job_of(ConsumerRecord("jobs", 0, 0, 0, 0, b"a", value, None, -1, -1, [])) is None
