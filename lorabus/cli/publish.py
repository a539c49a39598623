"""`lorabus publish`: what an ended job has trained, published once more without training.

ingest is asked, and a job of its own does it: the caller needs neither the store nor the registry's secret.
"""

import asyncio

from lorabus.cli.output import json_line, result
from lorabus.cli.watch import ending_code, follow
from lorabus.client import open_client
from lorabus.faults import DONE
from lorabus.settings import read_settings
from lorabus.telling import printable


def publish(job_id: str, *, wait: bool, as_json: bool) -> int:
    """Exit code 0 once it is asked for; with `wait` the end counts, as with `watch`."""
    return asyncio.run(_publish(job_id, wait=wait, as_json=as_json))


async def _publish(job_id: str, *, wait: bool, as_json: bool) -> int:
    async with open_client(read_settings()) as client:
        row = await client.api.publish(job_id)
        if wait:
            return ending_code(await follow(client, row.job_id, as_json=as_json))
    if as_json:
        json_line(row.to_wire())
    else:
        result(printable(row.job_id))
    return DONE
