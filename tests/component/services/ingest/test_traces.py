"""A request over HTTP is a span of its caller's trace, and the job goes on in it."""

import pytest
import yaml
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from services.common import telemetry
from tests.component.services.ingest.harness import workspace
from tests.component.services.ingest.serving import YAML, Client
from tests.unit.docs.test_traces import documented

CALLER = f"00-{'a' * 32}-{'b' * 16}-01"


async def test_a_request_is_one_span_and_the_job_is_accepted_inside_it(
    client: Client, exporter: InMemorySpanExporter
) -> None:
    headers = {**YAML, "traceparent": CALLER}
    async with client.http.post("/v1/jobs", data=yaml.safe_dump(workspace()), headers=headers) as answer:
        assert answer.status == 202
    spans = {span.name: span for span in exporter.get_finished_spans()}
    asked, accepted = spans["POST /v1/jobs"], spans["job.accept"]
    assert asked.kind is SpanKind.SERVER
    assert asked.parent is not None
    assert f"{asked.parent.span_id:016x}" == "b" * 16
    attributes = dict(asked.attributes or {})
    assert (attributes["http.route"], attributes["http.response.status_code"]) == ("/v1/jobs", 202)
    assert attributes.keys() <= documented("Attributes")
    assert accepted.parent is not None
    assert asked.context is not None
    assert accepted.parent.span_id == asked.context.span_id
    assert {telemetry.trace_id(event.traceparent or "") for event in client.world.sent.envelopes} == {"a" * 32}


async def test_a_refusal_is_an_answer_and_a_store_that_is_away_is_an_error(
    client: Client, exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    await client.submit({"kind": "Workspace"}, status=422)

    async def away(*_: object, **__: object) -> None:
        raise OSError("no route")

    monkeypatch.setattr("obstore.get_async", away)
    monkeypatch.setattr("obstore.put_async", away)
    await client.submit(workspace(), status=503)
    refused, failed = (span for span in exporter.get_finished_spans() if span.name == "POST /v1/jobs")
    assert (refused.status.status_code, failed.status.status_code) == (StatusCode.UNSET, StatusCode.ERROR)
    assert (failed.attributes or {})["error.type"]


async def test_looking_makes_no_span(client: Client, exporter: InMemorySpanExporter) -> None:
    await client.get("/v1/jobs")
    assert exporter.get_finished_spans() == ()
