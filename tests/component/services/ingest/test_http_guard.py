"""Who may speak to the HTTP API: this machine, or whoever has a token."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.ingest.settings import IngestSettings
from tests.component.services.ingest.harness import workspace
from tests.component.services.ingest.serving import Client, serving


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
        {"Origin": "http://["},
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
