"""Rows of `tuning.jobs.v1` into the trainer's table; holds no rule."""

from collections.abc import Awaitable, Callable

from faststream.kafka.message import KafkaMessage
from pydantic import ValidationError

from schemas.jobs import JobRow
from services.common.kafka.consume import Consumption, Received
from services.common.kafka.dead_letters import Unreadable

OnRow = Callable[[JobRow], None]


def jobs_handler(consumption: Consumption, on_row: OnRow) -> Callable[[KafkaMessage], Awaitable[None]]:
    """Build the handler of the jobs topic, which is read whole and never committed."""

    async def on_record(received: Received) -> None:
        if received.envelope.data is None:
            return
        try:
            row = JobRow.model_validate(received.envelope.data)
        except ValidationError as error:
            raise Unreadable(
                f"no job row: {error.error_count()} problem(s), first: {error.errors()[0]['msg']}"
            ) from error
        on_row(row)

    async def on_jobs(message: KafkaMessage) -> None:
        await consumption.run(message, on_record)

    return on_jobs
