"""Records of `tuning.adapters.v1` into work; returns at once and holds no rule."""

import stamina
import structlog
from pydantic import ValidationError

from schemas.events.training import AdapterTrained
from schemas.identity import is_job_id
from services.common.kafka.consume import PASSING, Consumption, OnBatch, Received
from services.common.kafka.dead_letters import Unreadable
from services.common.kafka.work import Work
from services.publisher.publish import Publisher

log = structlog.get_logger()


def adapters_handler(consumption: Consumption, publisher: Publisher, work: Work) -> OnBatch:
    """Build the handler of the adapters topic."""

    async def on_adapter(received: Received) -> None:
        adapter = _read(received)
        await _publish(publisher, adapter.job_id, adapter.attempt)

    return consumption.beside(work, on_adapter)


def _read(received: Received) -> AdapterTrained:
    try:
        adapter = AdapterTrained.model_validate(received.envelope.data)
    except ValidationError as error:
        raise Unreadable(f"no trained adapter: {error.errors(include_input=False, include_url=False)[0]}") from error
    if not is_job_id(adapter.job_id):
        raise Unreadable("jobId must be <namespace>.<name>.<12 hex digits>")
    return adapter


async def _publish(publisher: Publisher, job_id: str, attempt: int) -> None:
    """Until the store and Kafka let it be finished; what nobody can finish ends as a dead letter or a failed job."""
    async for one in stamina.retry_context(on=PASSING, attempts=None, timeout=None, wait_max=30):
        with one:
            try:
                await publisher.publish(job_id, attempt)
            except Unreadable:
                raise
            except PASSING as error:
                log.warning("publishing waits for the store or Kafka", job_id=job_id, error=str(error))
                raise
            except Exception as error:
                log.exception("publishing failed", job_id=job_id)
                await publisher.give_up(job_id, attempt, error)
