"""What arrives on ingest's topics, translated and handed on; holds no rule."""

from collections.abc import Awaitable, Callable

from aiokafka import ConsumerRebalanceListener, TopicPartition
from faststream.kafka.message import KafkaMessage
from pydantic import ValidationError

from schemas.events.job import JobCancel
from schemas.topics import EVENTS, JOBS, full_type
from services.common.kafka.consume import Consumption, OnBatch, Received
from services.common.kafka.dead_letters import Unreadable
from services.common.kafka.work import Work
from services.ingest.accept import Acceptance
from services.ingest.cancel import Cancellation
from services.ingest.project import Projector
from services.ingest.read_model import ReadModel
from services.ingest.read_records import event_of, job_of
from services.ingest.requests import decode_request, request_of

CANCEL = full_type("job.cancel")


def on_requests(consumption: Consumption, work: Work, acceptance: Acceptance) -> OnBatch:
    """Accept each request; one that should never have been sent is also kept as a dead letter."""

    async def on_request(received: Received) -> None:
        request = request_of(received.envelope)
        await acceptance.accept(request)
        if request.fault is not None:
            raise Unreadable(": ".join(filter(None, (request.fault.path, request.fault.message))))

    return consumption.beside(work, on_request, decode_request)


def on_commands(consumption: Consumption, work: Work, cancellation: Cancellation) -> OnBatch:
    """Cancel what is asked for."""

    async def on_command(received: Received) -> None:
        if received.envelope.type != CANCEL:
            raise Unreadable(f"ce_type must be {CANCEL}, not {received.envelope.type[:80]!r}")
        try:
            command = JobCancel.model_validate(received.envelope.data or {})
        except ValidationError as error:
            raise Unreadable(f"no job.cancel: {error.errors()[0]['loc']}: {error.errors()[0]['msg']}") from error
        if await cancellation.cancel(command.job_id, command.requested_by) is None:
            raise Unreadable(f"there is no job {command.job_id[:200]!r}")

    return consumption.beside(work, on_command)


def on_events(consumption: Consumption, projector: Projector) -> OnBatch:
    """Fold events into rows."""

    async def handle(message: KafkaMessage) -> None:
        await consumption.run_together(message, projector.project)

    return handle


def into_read_model(model: ReadModel, fail: Callable[[BaseException], None]) -> OnBatch:
    """Copy jobs and events into the read model; both topics are read whole and nothing is committed."""

    async def handle(message: KafkaMessage) -> None:
        batch = message.raw_message
        jobs = [job for record in batch if record.topic == JOBS.name and (job := job_of(record))]
        events = [event for record in batch if record.topic == EVENTS.name and (event := event_of(record))]
        positions: dict[tuple[str, int], int] = {}
        for record in batch:
            place = (record.topic, record.partition)
            positions[place] = max(record.offset + 1, positions.get(place, 0))
        try:
            await model.apply(jobs, events, positions)
        except Exception as error:
            fail(error)
            raise

    return handle


class Membership(ConsumerRebalanceListener):  # type: ignore[misc]
    """Knows whether a consumer has its place in its group, and tells those whom the partitions concern."""

    def __init__(
        self,
        before: Callable[[], Awaitable[None]] | None = None,
        after: Callable[[list[TopicPartition]], Awaitable[None]] | None = None,
    ) -> None:
        """`before` returns when nothing more is written for the partitions held so far; `after` gets the new ones."""
        self._before, self._after = before, after
        self.joined = False

    async def on_partitions_revoked(self, _: list[TopicPartition]) -> None:
        """The group is about to share its partitions out anew."""
        self.joined = False
        if self._before is not None:
            await self._before()

    async def on_partitions_assigned(self, assigned: list[TopicPartition]) -> None:
        """The group has shared them out; with more processes than partitions our share may be none."""
        if self._after is not None:
            await self._after(assigned)
        self.joined = True
