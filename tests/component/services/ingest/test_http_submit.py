"""Asking for jobs over HTTP: what is accepted, what is refused and how it says so."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.ingest.http_body import MAX_OBJECTS
from services.ingest.settings import MAX_BODY_BYTES, IngestSettings
from tests.component.services.ingest.harness import Sent, workspace
from tests.component.services.ingest.serving import YAML, Client, serving


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
        (b"kind: Workspace\n---\n" * (MAX_OBJECTS + 1), "application/yaml", 413, "fewer"),
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


async def test_while_kafka_is_away_the_caller_hears_so_and_the_request_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back, enqueue = asyncio.Event(), Sent.enqueue

    async def once_it_is_back(*what: Any) -> Any:
        await back.wait()
        return await enqueue(*what)

    monkeypatch.setattr(Sent, "enqueue", once_it_is_back)
    async with serving(tmp_path, IngestSettings(home=tmp_path), patience=0.05) as client:
        async with client.http.post("/v1/jobs", data=yaml.safe_dump(workspace()), headers=YAML) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
            assert "Kafka does not take the event" in (await answer.json())["detail"]
        back.set()
        await client.submit(workspace())
        assert client.world.sent.types[:2] == ["job.accepted", "job.queued"]
