"""What else is served: health, metrics, documents, schemas; and no page runs what a user wrote."""

import json
from pathlib import Path

import pytest

from tests.component.services.ingest.harness import workspace
from tests.component.services.ingest.serving import Client

SCHEMAS = sorted((Path(__file__).parents[4] / "docs" / "schemas").glob("*.json"))


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


@pytest.mark.parametrize("file", SCHEMAS, ids=lambda file: file.stem)
async def test_each_schema_is_served_as_it_stands_in_the_docs(client: Client, file: Path) -> None:
    async with client.http.get(f"/schemas/{file.name}") as answer:
        assert answer.content_type == "application/schema+json"
        assert await answer.json(content_type=None) == json.loads(file.read_text())


@pytest.mark.parametrize("name", ["job.accepted", "lorabus.job.dancing.v1", "lorabus..v1", "..%2f..%2fetc"])
async def test_there_is_no_other_schema(client: Client, name: str) -> None:
    assert (await client.get(f"/schemas/{name}.json", 404))["status"] == 404
