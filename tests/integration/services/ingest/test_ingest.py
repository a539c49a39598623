"""Ingest on a real broker: requests become jobs, events become rows, and a second process or a new start agrees."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from schemas.envelope import Envelope
from schemas.events.job import JobRejected
from schemas.topics import DEAD_LETTERS, JOBS, full_type, short_type
from services.common.kafka.topics import apply_topics
from services.ingest.settings import IngestSettings
from tests.component.services.ingest.harness import workspace
from tests.integration.services.ingest.harness import User, a_user, running_ingest, settings_for


@pytest.fixture
async def settings(kafka_bootstrap: str, tmp_path: Path) -> IngestSettings:
    settings = settings_for(kafka_bootstrap, tmp_path)
    await apply_topics(settings)
    return settings


@pytest.fixture
async def user(settings: IngestSettings) -> AsyncIterator[User]:
    async with a_user(settings) as user:
        yield user


async def get(url: str) -> Any:
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        return await answer.json(content_type=None)


async def ready(address: str) -> None:
    async with asyncio.timeout(30):
        while (await get(f"{address}/readyz"))["status"] != "ready":
            await asyncio.sleep(0.05)


async def test_a_request_becomes_a_job_with_events_a_row_and_an_answer(settings: IngestSettings, user: User) -> None:
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    async with running_ingest(settings) as address:
        request_id = await user.request({"workspace": workspace(user.name)}, traceparent=trace)
        await user.until(lambda: len(user.answers(request_id)) == 2)
        accepted, queued = user.answers(request_id)
        job_id = accepted.subject or ""
        await user.until(lambda: user.rows(job_id))
        row = user.rows(job_id)[-1]
        await ready(address)
        async with asyncio.timeout(10):
            while await get(f"{address}/v1/jobs/{job_id}") != row:
                await asyncio.sleep(0.02)
        events = (await get(f"{address}/v1/jobs/{job_id}/events"))["events"]
    assert [short_type(envelope.type) for envelope in (accepted, queued)] == ["job.accepted", "job.queued"]
    assert (accepted.traceparent or "").split("-")[1] == "a" * 32
    assert (row["state"], row["name"], row["preset"], row["version"]) == ("pending", user.name, "tiny", 2)
    assert [event["id"] for event in events] == [accepted.id, queued.id]


async def test_a_bare_workspace_without_any_header_is_a_request(settings: IngestSettings, user: User) -> None:
    async with running_ingest(settings):
        await user.raw(str(workspace(user.name)).replace("'", '"').encode())
        await user.until(lambda: [record for record in user.on(JOBS.name) if user.name.encode() in record.key])


async def test_the_same_request_twice_is_one_job_with_one_row(settings: IngestSettings, user: User) -> None:
    async with running_ingest(settings):
        first, again = await user.accepted(), await user.accepted()
        other = await user.accepted(input={"urls": ["https://data.example.com/2.jsonl"]})
        await user.until(lambda: user.rows(other))
    assert first == again != other
    assert [row["version"] for row in user.rows(first)] in ([2], [1, 2])


async def test_every_kind_of_nonsense_is_refused_and_the_next_request_is_taken(
    settings: IngestSettings, user: User
) -> None:
    async with running_ingest(settings):
        await user.raw(b"{not json")
        await user.raw(b"[1, 2]")
        await user.raw(None)
        await user.raw(b"{}", [("ce_id", b"\xff")])
        await user.raw(b'{"a":' * 3000 + b"1" + b"}" * 3000)
        await user.raw(b'{"kind": "a", "kind": "b"}')
        unknown = await user.request({**workspace(user.name), "apiVersion": "kaito.sh/v9"})
        wrong = await user.request({"workspace": workspace(user.name, method="full")})
        await user.accepted()
        await user.until(lambda: len(user.on(DEAD_LETTERS.name)) >= 7 and user.answers(unknown) and user.answers(wrong))
    for request_id in (unknown, wrong):
        assert [short_type(envelope.type) for envelope in user.answers(request_id)] == ["job.rejected"]
    rejected = JobRejected.model_validate(user.answers(wrong)[0].data)
    assert "method" in rejected.problems[0].path.lower()
    assert len(user.on(DEAD_LETTERS.name)) == 7
    headers = dict(user.dead("apiVersion")[0].headers)
    assert headers["lorabus_dlq_topic"] == b"tuning.requests.v1"
    assert headers["lorabus_dlq_offset"].isdigit()


async def test_a_cancelled_job_ends_here_when_nobody_has_it(settings: IngestSettings, user: User) -> None:
    async with running_ingest(settings):
        job_id = await user.accepted()
        await user.cancel(job_id)
        await user.cancel("default.none.0123456789ab")
        await user.until(lambda: user.rows(job_id) and user.rows(job_id)[-1]["state"] == "cancelled")
        await user.until(lambda: user.dead("default.none.0123456789ab"))
    assert user.types(job_id) == ["job.accepted", "job.queued", "job.cancelling", "job.cancelled"]


async def test_events_of_others_are_folded_and_those_that_lie_are_dead_letters(
    settings: IngestSettings, user: User
) -> None:
    def claimed(job_id: str, subject: str) -> Envelope:
        data: dict[str, object] = {"jobId": job_id, "attempt": 1, "sequence": 1, "state": "staging", "worker": "w"}
        return Envelope(type=full_type("job.claimed"), source="trainer", subject=subject, data=data)

    async with running_ingest(settings):
        job_id = await user.accepted()
        await user.event(claimed(job_id, "default.another.0123456789ab"))
        await user.event(claimed(job_id, job_id))
        await user.until(lambda: user.rows(job_id) and user.rows(job_id)[-1]["state"] == "staging")
        await user.until(lambda: user.dead("the key of an event"))
    assert user.rows(job_id)[-1]["worker"] == "w"


async def test_two_processes_share_the_work_and_agree(settings: IngestSettings, user: User) -> None:
    async with running_ingest(settings) as one, running_ingest(settings) as two:
        for address in (one, two):
            await ready(address)
        requests = [await user.request(workspace(f"{user.name}-{number}")) for number in range(30)]
        await user.until(lambda: all(user.answers(request_id) for request_id in requests))
        jobs = [user.answers(request_id)[0].subject or "" for request_id in requests]
        await user.until(lambda: all(user.rows(job_id) for job_id in jobs))
        async with asyncio.timeout(20):
            for job_id in jobs:
                while (await get(f"{one}/v1/jobs/{job_id}/events")) != await get(f"{two}/v1/jobs/{job_id}/events"):
                    await asyncio.sleep(0.02)
    for job_id in jobs:
        versions = [row["version"] for row in user.rows(job_id)]
        assert versions == sorted(set(versions))
        assert user.types(job_id) == ["job.accepted", "job.queued"]


async def test_a_new_start_knows_all_jobs_from_its_file_and_from_kafka_alone(
    settings: IngestSettings, user: User, tmp_path: Path
) -> None:
    async with running_ingest(settings) as address:
        await ready(address)
        job_id = await user.accepted()
        await user.until(lambda: user.rows(job_id))
        await user.cancel(job_id)
        await user.until(lambda: user.rows(job_id)[-1]["state"] == "cancelled")
    for forget in (False, True):
        if forget:
            (tmp_path / "ingest" / "read-model-0.sqlite").unlink()
        async with running_ingest(settings) as address:
            await ready(address)
            assert (await get(f"{address}/v1/jobs/{job_id}"))["state"] == "cancelled"
            assert len((await get(f"{address}/v1/jobs/{job_id}/events"))["events"]) == 4
    assert user.types(job_id).count("job.accepted") == 1


async def test_http_and_kafka_lead_to_the_same_job(settings: IngestSettings, user: User) -> None:
    async with running_ingest(settings) as address, aiohttp.ClientSession(address) as http:
        async with http.post("/v1/jobs", json=workspace(user.name), headers={"Idempotency-Key": user.name}) as answer:
            job = await answer.json()
        assert job["jobId"] == await user.accepted()
        await user.until(lambda: user.answers(user.name))
        stream = await http.get(f"/v1/jobs/{job['jobId']}/events/stream")
        async with http.post(f"/v1/jobs/{job['jobId']}/cancel"):
            pass
        text = await asyncio.wait_for(stream.text(), 20)
    assert text.count("data: ") == 4
    assert datetime.fromisoformat(job["createdAt"]) <= datetime.now(UTC)
