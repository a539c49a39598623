"""The peer of `bench/admission.py`: FastStream as its first page shows it, sending back what comes and no more."""

import asyncio
import sys
from typing import Any

from faststream import FastStream
from faststream.kafka import KafkaBroker
from faststream.kafka.annotations import KafkaMessage


def main() -> None:
    kafka, source, target = sys.argv[1:]
    broker = KafkaBroker(kafka, acks="all", enable_idempotence=True, logger=None)

    @broker.subscriber(source, group_id="echo", auto_offset_reset="earliest")
    async def echo(body: dict[str, Any], message: KafkaMessage) -> None:
        await broker.publish(body, target, headers={"ce_id": str(message.headers["ce_id"])})

    asyncio.run(FastStream(broker).run())


if __name__ == "__main__":
    main()
