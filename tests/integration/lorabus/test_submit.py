"""Asking for a job over the real topics: the answer that belongs to the request is found among all others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import ConsumerRecord

from lorabus.client import LorabusClient
from lorabus.kafka import open_reader, partitions_of
from lorabus.requests import Request
from lorabus.settings import CallerSettings
from schemas.envelope import Envelope, decode, encode, valid_traceparent
from schemas.events.job import TuningRequest
from schemas.topics import EVENTS, REQUESTS, full_type
from services.common.errors import Unreachable
from services.common.kafka.producer import Producer

ACCEPTED = {"specDigest": "d", "namespace": "default", "name": "a", "preset": "tiny", "method": "lora"}


def request_named(name: str) -> Request:
    return Request(name, {"workspace": {"metadata": {"name": name}}, "configMaps": {}})


@asynccontextmanager
async def answering(
    settings: CallerSettings, producer: Producer, name: str, type_: str, data: dict[str, object]
) -> AsyncIterator[list[Envelope]]:
    """Answer the request of the Workspace `name` as ingest does, after an answer to somebody else; gives what came."""
    partitions = await partitions_of(REQUESTS.name, settings)
    came: list[Envelope] = []
    async with open_reader(settings) as consumer:
        consumer.assign(partitions)
        for partition, offset in (await consumer.end_offsets(partitions)).items():
            consumer.seek(partition, offset)

        async def answer() -> None:
            record: ConsumerRecord
            async for record in consumer:
                asked = decode(record.value, record.headers)
                if asked.data and name in str(asked.data):
                    came.append(asked)
                    await send(f"other-than-{asked.id}", "job.rejected", {"problems": []})
                    await send(asked.id, type_, data)

        async def send(request_id: str, short: str, more: dict[str, object]) -> None:
            head: dict[str, object] = {"jobId": f"default.{name}.0123456789ab", "attempt": 0, "sequence": 1}
            value, headers = encode(
                Envelope(full_type(short), "ingest", {**head, **more}, extensions={"requestid": request_id})
            )
            await producer.publish(EVENTS.name, name.encode(), value, headers)

        task = asyncio.create_task(answer())
        yield came
        task.cancel()


async def test_an_accepted_request_gives_the_job(
    client: LorabusClient, settings: CallerSettings, producer: Producer, job_id: str
) -> None:
    name = job_id.rpartition(".")[2]
    async with answering(settings, producer, name, "job.accepted", {"state": "pending", **ACCEPTED}) as came:
        answer = await client.submit(request_named(name))

    assert (answer.type, answer.job_id, answer.ends) == ("job.accepted", f"default.{name}.0123456789ab", None)
    (asked,) = came
    assert (asked.type, asked.source) == (full_type("tuning.request"), "lorabus")
    assert valid_traceparent(asked.traceparent)
    assert TuningRequest.model_validate(asked.data).workspace == {"metadata": {"name": name}}


async def test_a_rejected_request_gives_all_problems(
    client: LorabusClient, settings: CallerSettings, producer: Producer, job_id: str
) -> None:
    name = job_id.rpartition(".")[2]
    problems = [{"path": "tuning.method", "message": "must be lora"}, {"path": "tuning", "message": "no input"}]
    data: dict[str, object] = {"state": "rejected", "problems": problems}
    async with answering(settings, producer, name, "job.rejected", data):
        answer = await client.submit(request_named(name))

    assert answer.ends is not None
    assert answer.flat()["problems"] == problems


async def test_no_answer_names_ingest_and_says_that_the_request_stays(client: LorabusClient) -> None:
    with pytest.raises(Unreachable, match="no answer to the request within 1 s; it stays in Kafka"):
        await client.submit(request_named("unheard"), patience=1)
