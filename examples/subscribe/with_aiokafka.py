"""Follow one job on the status topic, live or long after: python with_aiokafka.py JOB."""

import asyncio
import json
import os
import sys

from aiokafka import AIOKafkaConsumer

KAFKA = os.environ.get("LORABUS_KAFKA", "127.0.0.1:9092")
ENDS = {"succeeded", "failed", "cancelled", "rejected"}


async def follow(job: str) -> None:
    seen: set[str] = set()
    # Without a group every reader gets everything, from the first event that is kept.
    consumer = AIOKafkaConsumer("tuning.events.v1", bootstrap_servers=KAFKA, auto_offset_reset="earliest")
    async with consumer:
        async for record in consumer:
            event_id = dict(record.headers).get("ce_id", b"").decode()
            if record.key != job.encode() or event_id in seen:
                continue
            seen.add(event_id)
            event = json.loads(record.value)
            print(dict(record.headers)["ce_type"].decode(), event["state"], flush=True)
            if event["state"] in ENDS:
                return


asyncio.run(follow(sys.argv[1]))
