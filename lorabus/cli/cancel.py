"""`lorabus cancel`: ask for a job's end and wait until it has ended."""

import asyncio

from lorabus.cli.output import json_line, result
from lorabus.client import open_client
from lorabus.faults import DONE, FAILED
from lorabus.settings import read_settings
from lorabus.telling import printable
from schemas.events import State
from schemas.jobs import JobRow


def cancel(job_id: str, *, as_json: bool) -> int:
    """Exit code 0 when the job was cancelled, 1 when it had ended in another way."""
    row = asyncio.run(_cancel(job_id))
    if as_json:
        json_line(row.to_wire())
    elif row.state is State.CANCELLED:
        result(f"{printable(row.job_id)}: cancelled")
    else:
        result(f"{printable(row.job_id)}: not cancelled, it has {row.state.value}")
    return DONE if row.state is State.CANCELLED else FAILED


async def _cancel(job_id: str) -> JobRow:
    async with open_client(read_settings()) as client:
        return await client.cancel(job_id)
