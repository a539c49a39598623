"""The HTTP API as clients meet it, served by uvicorn on a free port, on a store in memory and without Kafka."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from schemas.envelope import Envelope
from schemas.jobs import JobRow, Position, fold
from services.common.kafka.dead_letters import DeadLetters
from services.ingest.http import build_app
from services.ingest.http_guard import read_tokens
from services.ingest.http_jobs import Jobs
from services.ingest.http_server import serve
from services.ingest.idempotency import Idempotency
from services.ingest.kafka_log import KafkaLog
from services.ingest.metrics import Metrics
from services.ingest.read_model import open_read_model
from services.ingest.read_records import flat, stored_job
from services.ingest.read_tables import StoredEvent
from services.ingest.settings import MAX_BODY_BYTES, IngestSettings
from tests.component.services.ingest.harness import Sent, World, workspace, world

YAML = {"Content-Type": "application/yaml"}
JSON = {"Content-Type": "application/json"}


class Client:
    """One client of one server; `bring` does what Kafka does: it carries what was sent into the read model."""

    def __init__(self, http: aiohttp.ClientSession, at: World, jobs: Jobs) -> None:
        self.http, self.world, self.jobs = http, at, jobs
        self._log: dict[str, Envelope] = {}

    async def bring(self, *more: Envelope) -> None:
        rows: dict[str, JobRow] = {}
        stored = []
        for envelope in (*self.world.sent.envelopes, *more):
            self._log.setdefault(envelope.id, envelope)
        for offset, envelope in enumerate(self._log.values()):
            job_id = str((envelope.data or {})["jobId"])
            row = fold(rows.get(job_id), envelope, Position(partition=0, offset=offset))
            rows |= {job_id: row} if row else {}
            stored.append(StoredEvent(0, offset, job_id, envelope.id, json.dumps(flat(envelope))))
        await self.jobs.model.apply([stored_job(row) for row in rows.values()], stored, {})

    async def submit(self, *documents: object, status: int = 202, **query: str) -> Any:
        body = yaml.safe_dump_all(documents)
        async with self.http.post("/v1/jobs", data=body, headers=YAML, params=query) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json(content_type=None)

    async def get(self, path: str, status: int = 200) -> Any:
        async with self.http.get(path) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json(content_type=None)


class Quiet:
    """A process whose consumers are in place and have read all."""

    def __init__(self) -> None:
        self.dead_letters = DeadLetters(Sent().publish, "test")

    async def missing(self) -> dict[str, str]:
        return {}

    async def lag(self) -> dict[str, int]:
        return {"tuning.requests.v1": 0}


@asynccontextmanager
async def serving(folder: Path, settings: IngestSettings, *, loopback: bool = True) -> AsyncIterator[Client]:
    at = world()
    async with open_read_model(folder, KafkaLog("test", {}, {})) as model:
        jobs = Jobs(at.acceptance, at.cancellation, Idempotency(at.store), model)

        app = build_app(jobs, Quiet(), Metrics(), tokens=read_tokens(settings), loopback=loopback)
        async with serve(app, "127.0.0.1", 0) as address, aiohttp.ClientSession(f"http://{address}") as http:
            yield Client(http, at, jobs)


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with serving(tmp_path, IngestSettings(home=tmp_path)) as client:
        yield client


async def test_a_workspace_is_accepted_and_can_be_read_before_kafka_has_brought_it(client: Client) -> None:
    async with client.http.post("/v1/jobs", data=yaml.safe_dump(workspace()), headers=YAML) as answer:
        job = await answer.json()
        assert answer.status == 202
        assert answer.headers["Location"] == f"/v1/jobs/{job['jobId']}"
    assert (job["state"], job["kaitoState"], job["preset"]) == ("pending", "Pending", "tiny")
    assert await client.get(f"/v1/jobs/{job['jobId']}") == job
    assert client.world.sent.types == ["job.accepted", "job.queued"]


async def test_the_answer_has_the_state_that_the_job_is_in(client: Client) -> None:
    job = await client.submit(workspace())
    await client.bring()
    await client.world.cancellation.cancel(job["jobId"], None)
    await client.bring()
    assert (await client.submit(workspace()))["state"] == "cancelled"


async def test_json_is_taken_too_bare_or_with_its_config_maps(client: Client) -> None:
    bare = workspace()
    whole = {
        "workspace": workspace(config="mine"),
        "configMaps": {"mine": {"training_config.yaml": "training_config: {}"}},
    }
    for body in (bare, whole):
        async with client.http.post("/v1/jobs", json=body) as answer:
            assert answer.status == 202, await answer.text()


async def test_a_config_map_of_the_same_file_is_found(client: Client) -> None:
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "mine"},
        "data": {"training_config.yaml": "training_config: {LoraConfig: {r: 4}}"},
    }
    job = await client.submit(workspace(config="mine"), config_map)
    assert job["state"] == "pending"


async def test_a_bad_workspace_gets_every_problem_and_the_rejection_is_told(client: Client) -> None:
    problem = await client.submit(workspace(method="x", preset={"name": "tinny"}), status=422)
    assert problem["status"] == 422
    assert problem["jobId"].startswith("default.answers.")
    assert len(problem["problems"]) >= 2
    assert client.world.sent.types == ["job.rejected"]


async def test_of_several_workspaces_all_are_accepted_or_none(client: Client) -> None:
    problem = await client.submit(workspace("one"), workspace("two", method="x"), status=422)
    assert problem["problems"][0]["path"].startswith("two: ")
    assert await client.world.store.list("jobs/") == []
    both = await client.submit(workspace("one"), workspace("two"))
    assert [job["name"] for job in both["jobs"]] == ["one", "two"]


async def test_the_same_request_again_is_the_same_job_and_a_rerun_is_another(client: Client) -> None:
    first, again = await client.submit(workspace()), await client.submit(workspace())
    assert first == again
    reruns = [await client.submit(workspace(), rerun=nonce) for nonce in ("a", "a", "b", "")]
    assert len({job["jobId"] for job in (first, *reruns)}) == 4


async def test_an_idempotency_key_stands_for_one_body(client: Client) -> None:
    async def send(body: dict[str, Any], key: str) -> int:
        async with client.http.post("/v1/jobs", json=body, headers={"Idempotency-Key": key}) as answer:
            return answer.status

    assert [await send(workspace(), "k"), await send(workspace(), "k")] == [202, 202]
    assert await send(workspace("other"), "k") == 422
    assert await send(workspace("other"), "l") == 202


@pytest.mark.parametrize(
    ("body", "content_type", "status", "word"),
    [
        (b"a: [", "application/yaml", 422, "body"),
        (b"", "application/yaml", 422, "no document"),
        (b"- 1", "application/yaml", 422, "map"),
        (b"kind: ConfigMap", "application/yaml", 422, "no document"),
        (b"{", "application/json", 422, "body.json:1:2"),
        (b"\xff\xfe\x00", "application/json", 422, ""),
        (b"a: &a [*a]", "application/yaml", 422, "anchor"),
        (b"{}", "text/plain", 415, "Content-Type"),
        (b"{}", "", 415, "Content-Type"),
        (b"x" * (MAX_BODY_BYTES + 1), "application/yaml", 413, "larger"),
        (b"[" * 100_000, "application/json", 422, "deep"),
    ],
)
async def test_what_cannot_be_read_is_a_problem_that_says_why(
    client: Client, body: bytes, content_type: str, status: int, word: str
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    async with client.http.post("/v1/jobs", data=body, headers=headers, skip_auto_headers=["Content-Type"]) as answer:
        problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, problem["status"]) == (status, status)
    assert word in problem["detail"]


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


async def test_health_metrics_and_documents_are_served_without_any_other_host(client: Client) -> None:
    assert await client.get("/healthz") == {"status": "ok"}
    assert await client.get("/readyz") == {"status": "ready", "missing": {}}
    await client.submit(workspace())
    await client.bring()
    async with client.http.get("/metrics") as answer:
        assert 'lorabus_jobs{state="pending"} 1.0' in await answer.text()
    assert "/v1/jobs/{job_id}" in (await client.get("/openapi.json"))["paths"]
    assert (await client.get("/asyncapi.json"))["asyncapi"] == "3.0.0"
    for path, word in (("/docs", "POST /v1/jobs"), ("/asyncapi", "tuning.events.v1"), ("/", "default.answers.")):
        async with client.http.get(path) as answer:
            text = await answer.text()
            assert word in text
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert not [part for part in ("http://", "https://", "//") if f'="{part}' in text]


async def test_a_page_shows_text_as_text(client: Client) -> None:
    await client.submit(workspace("<script>alert(1)</script>"), status=422)
    await client.bring()
    async with client.http.get("/") as answer:
        assert "alert(1)<" not in await answer.text()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "", "[::1].evil", "10.0.0.1"])
async def test_a_page_that_points_its_own_name_at_us_gets_nothing(client: Client, host: str) -> None:
    async with client.http.get("/v1/jobs", headers={"Host": host}) as answer:
        assert answer.status in (400, 421)


@pytest.mark.parametrize("name", ["localhost", "localhost:1234", "127.0.0.1", "[::1]:80"])
async def test_this_machine_has_several_names(client: Client, name: str) -> None:
    async with client.http.get("/v1/jobs", headers={"Host": name}) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_form_on_another_page_changes_nothing(client: Client, headers: dict[str, str]) -> None:
    job = await client.submit(workspace())
    async with client.http.post(f"/v1/jobs/{job['jobId']}/cancel", headers=headers) as answer:
        assert answer.status == 403
    assert "job.cancelling" not in client.world.sent.types


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[Client]:
    (tmp_path / "tokens").write_text("s3cret\nother\n")
    settings = IngestSettings(home=tmp_path, api_tokens_file=tmp_path / "tokens")
    async with serving(tmp_path, settings, loopback=False) as client:
        yield client


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic s3cret"},
        {"Authorization": "Bearer"},
        {"Cookie": "="},
    ],
)
async def test_without_a_token_only_health_is_told(guarded: Client, headers: dict[str, str]) -> None:
    for path in ("/", "/v1/jobs", "/metrics", "/docs", "/openapi.json", "/nothing"):
        async with guarded.http.get(path, headers=headers) as answer:
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    for path in ("/healthz", "/readyz"):
        async with guarded.http.get(path, headers=headers) as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    "headers",
    [{"Authorization": "Bearer s3cret"}, {"Authorization": "bearer other"}, {"Cookie": "lorabus_token=other"}],
)
async def test_with_a_token_everything_is(guarded: Client, headers: dict[str, str]) -> None:
    async with guarded.http.get("/v1/jobs", headers={**headers, "Host": "lorabus.example.com"}) as answer:
        assert answer.status == 200
