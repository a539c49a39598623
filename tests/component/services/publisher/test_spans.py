"""A push is one span of the job's trace, with a child for each blob."""

from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.common.telemetry import trace_id
from tests.component.services.common.registry.fake_registry import FakeRegistry, running
from tests.component.services.publisher.harness import make_bench
from tests.component.services.publisher.jobs import to_image, trained_job, write_secret


def named(spans: tuple[ReadableSpan, ...], name: str) -> list[ReadableSpan]:
    return [span for span in spans if span.name == name]


async def test_one_span_a_push_and_one_a_blob(tmp_path: Path, exporter: InMemorySpanExporter) -> None:
    async with running(FakeRegistry()) as registry:
        bench = make_bench(tmp_path, insecure_registries=registry.address)
        write_secret(bench.settings.secrets_dir, registry.address)
        record = await trained_job(bench.store, to_image(f"{registry.address}/team/a:v1"))
        await bench.publisher().publish(record.job_id, 1)
    spans = exporter.get_finished_spans()
    (push,) = named(spans, "image.push")
    blobs = named(spans, "image.push.blob")
    assert {span.attributes["lorabus.blob"] for span in blobs if span.attributes} >= {"adapter", "info", "config"}
    for span in (push, *blobs):
        assert span.context is not None
        assert f"{span.context.trace_id:032x}" == trace_id(record.traceparent)
    assert push.context is not None
    assert {span.parent.span_id for span in blobs if span.parent} == {push.context.span_id}
