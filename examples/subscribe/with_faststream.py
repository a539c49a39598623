"""React to every job as a service does, until one job has ended: python with_faststream.py JOB."""

import asyncio
import os
import sys

from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker
from faststream.kafka.annotations import KafkaMessage

broker = KafkaBroker(os.environ.get("LORABUS_KAFKA", "127.0.0.1:9092"))
app = FastStream(broker)
ENDS = {"succeeded", "failed", "cancelled", "rejected"}


# FastStream's own defaults start at the newest event and commit before the work is done.
@broker.subscriber(
    "tuning.events.v1",
    group_id=f"my-service-{sys.argv[1]}",
    auto_offset_reset="earliest",
    ack_policy=AckPolicy.ACK,
)
async def on_event(event: dict[str, object], message: KafkaMessage) -> None:
    if event.get("jobId") != sys.argv[1]:
        return
    print(message.headers["ce_type"], event["state"], flush=True)
    if event["state"] in ENDS:
        app.exit()


asyncio.run(app.run())
