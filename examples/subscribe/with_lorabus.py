"""Follow one job with lorabus's own client: python with_lorabus.py JOB."""

import asyncio
import sys

from lorabus.client import open_client
from lorabus.settings import read_settings


async def follow(job: str) -> None:
    async with open_client(read_settings()) as client:
        # Each event once, in order, from the first one; it ends with the job.
        async for event in client.watch(job):
            print(event.type, event.data["state"], flush=True)


asyncio.run(follow(sys.argv[1]))
