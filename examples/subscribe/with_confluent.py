"""Follow one job with confluent-kafka: python with_confluent.py JOB."""

import json
import os
import sys

from confluent_kafka import Consumer

KAFKA = os.environ.get("LORABUS_KAFKA", "127.0.0.1:9092")
ENDS = {"succeeded", "failed", "cancelled", "rejected"}


def follow(job: str) -> None:
    # A group remembers where it was: what is committed after the work is done is not given again.
    settings = {"bootstrap.servers": KAFKA, "group.id": f"my-tool-{job}", "auto.offset.reset": "earliest"}
    consumer = Consumer({**settings, "enable.auto.commit": False})
    consumer.subscribe(["tuning.events.v1"])
    state = None
    while state not in ENDS:
        record = consumer.poll(1.0)
        if record is None or record.error() or record.key() != job.encode():
            continue
        kind = dict(record.headers() or {}).get("ce_type")
        state = json.loads(record.value() or b"{}").get("state")
        print(kind.decode() if isinstance(kind, bytes) else kind, state, flush=True)
        consumer.commit(message=record)
    consumer.close()


follow(sys.argv[1])
