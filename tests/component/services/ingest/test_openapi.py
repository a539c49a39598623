"""Schemathesis against the running server: no request that the OpenAPI document allows, or forbids, brings a fault."""

import asyncio
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from services.ingest.settings import IngestSettings
from tests.component.services.ingest.harness import workspace
from tests.component.services.ingest.serving import serving

EXAMPLES = 25


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server in a thread of its own, for schemathesis calls it synchronously; it has one job."""
    folder: Path = tmp_path_factory.mktemp("openapi")
    found: list[str] = []
    started, ended = threading.Event(), threading.Event()

    async def serve() -> None:
        async with serving(folder, IngestSettings(home=folder)) as client:
            await client.submit(workspace())
            await client.bring()
            found.append(str(client.http._base_url).rstrip("/"))
            started.set()
            await asyncio.to_thread(ended.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert started.wait(20)
    yield found[0]
    ended.set()
    thread.join(20)


OPERATIONS = [
    "GET /v1/jobs",
    "POST /v1/jobs",
    "GET /v1/jobs/{job_id}",
    "GET /v1/jobs/{job_id}/events",
    "POST /v1/jobs/{job_id}/cancel",
    "POST /v1/jobs/{job_id}/publish",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
]


def operations(address: str) -> dict[str, Any]:
    import schemathesis

    results: Iterable[Any] = schemathesis.openapi.from_url(f"{address}/openapi.json").get_all_operations()
    return {operation.label: operation for operation in map(_ok, results)}


def _ok(result: Any) -> Any:
    return result.ok()


def test_the_list_of_operations_is_complete(address: str) -> None:
    assert set(operations(address)) == {*OPERATIONS, "GET /v1/jobs/{job_id}/events/stream"}


@pytest.mark.parametrize("label", OPERATIONS)
def test_nothing_that_is_sent_brings_a_fault(address: str, label: str) -> None:
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    operation = operations(address)[label]

    @given(case=operation.as_strategy())
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    def send(case: Any) -> None:
        # What a schema cannot say (a Workspace's rules, a cursor's origin) is refused with the 422 that is declared.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    send()
