"""Jobs over HTTP: listed, looked at, cancelled, and followed as server-sent events."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.component.services.ingest.harness import workspace
from tests.component.services.ingest.serving import Client


async def test_jobs_come_in_pages_by_state(client: Client) -> None:
    for number in range(5):
        await client.submit(workspace(f"w{number}"))
    await client.bring()
    first = await client.get("/v1/jobs?limit=3")
    second = await client.get(f"/v1/jobs?limit=3&cursor={first['next']}")
    assert [job["name"] for job in first["jobs"] + second["jobs"]] == [f"w{number}" for number in (4, 3, 2, 1, 0)]
    assert second["next"] is None
    assert (await client.get("/v1/jobs?state=failed"))["jobs"] == []
    assert len((await client.get("/v1/jobs?state=failed&state=pending"))["jobs"]) == 5


@pytest.mark.parametrize("query", ["state=dancing", "limit=0", "limit=x", "cursor=%00", "cursor=zzz"])
async def test_a_bad_parameter_is_a_problem(client: Client, query: str) -> None:
    assert (await client.get(f"/v1/jobs?{query}", 422))["status"] == 422


@pytest.mark.parametrize("path", ["/v1/jobs/none", "/v1/jobs/none/events", "/v1/jobs/..%2f..%2fx", "/nothing"])
async def test_what_is_not_there_is_a_problem(client: Client, path: str) -> None:
    assert (await client.get(path, 404))["status"] == 404


async def test_events_are_flat_and_in_order(client: Client) -> None:
    job = await client.submit(workspace())
    await client.bring()
    events = (await client.get(f"/v1/jobs/{job['jobId']}/events"))["events"]
    assert [event["type"] for event in events] == ["job.accepted", "job.queued"]
    assert events[0]["id"] == f"{job['jobId']}:0:ingest:1"
    assert events[0]["jobId"] == job["jobId"]


async def test_a_job_is_cancelled(client: Client) -> None:
    job = await client.submit(workspace())
    async with client.http.post(f"/v1/jobs/{job['jobId']}/cancel") as answer:
        assert answer.status == 202
        assert (await answer.json())["state"] == "cancelled"
    async with client.http.post("/v1/jobs/none/cancel") as answer:
        assert answer.status == 404


async def lines(answer: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    event_id = ""
    async for raw in answer.content:
        name, _, value = raw.decode().strip().partition(": ")
        event_id = value if name == "id" else event_id
        if name == "data":
            event = json.loads(value)
            assert event["id"] == event_id
            yield event


async def test_a_stream_has_what_happened_and_what_happens_until_the_end(client: Client) -> None:
    job = await client.submit(workspace())
    await client.bring()
    seen = []
    async with client.http.get(f"/v1/jobs/{job['jobId']}/events/stream") as answer:
        assert answer.content_type == "text/event-stream"
        async for event in lines(answer):
            seen.append(event["type"])
            if event["type"] == "job.queued":
                await client.world.cancellation.cancel(job["jobId"], None)
                await client.bring()
    assert seen == ["job.accepted", "job.queued", "job.cancelling", "job.cancelled"]


async def test_a_stream_goes_on_after_the_last_event_that_was_seen_and_says_when_there_is_no_more(
    client: Client,
) -> None:
    job = await client.submit(workspace())
    await client.world.cancellation.cancel(job["jobId"], None)
    await client.bring()
    path = f"/v1/jobs/{job['jobId']}/events/stream"
    async with client.http.get(path, headers={"Last-Event-ID": f"{job['jobId']}:0:ingest:2"}) as answer:
        assert [event["sequence"] async for event in lines(answer)] == [3, 4]
    async with client.http.get(path, headers={"Last-Event-ID": f"{job['jobId']}:0:ingest:4"}) as answer:
        assert answer.status == 204
    async with client.http.get(path, headers={"Last-Event-ID": "unknown"}) as answer:
        assert len([event async for event in lines(answer)]) == 4
    await client.jobs.model.prune({0: 1000})
    async with client.http.get(path) as answer:
        assert answer.status == 204
