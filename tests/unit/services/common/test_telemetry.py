"""Spans nest by trace, logs carry the trace id, and without an exporter nothing is made but ids."""

import json
import subprocess
import sys
import time

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.common import telemetry
from services.common.logs import _add_trace_id

PARENT = f"00-{'a' * 32}-{'b' * 16}-01"
OTHER = f"00-{'c' * 32}-{'d' * 16}-01"


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def trace_of(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.trace_id:032x}"


def parent_of(span: ReadableSpan) -> str | None:
    return f"{span.parent.span_id:016x}" if span.parent else None


def id_of(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.span_id:016x}"


def test_a_span_is_a_child_of_what_it_is_given_and_of_what_runs_in_the_same_trace(
    exporter: InMemorySpanExporter,
) -> None:
    with telemetry.span("outer", PARENT):
        with telemetry.span("named", PARENT):
            pass
        with telemetry.span("unnamed", None):
            pass
        with telemetry.span("foreign", OTHER):
            pass
    spans = by_name(exporter)
    assert (trace_of(spans["outer"]), parent_of(spans["outer"])) == ("a" * 32, "b" * 16)
    assert parent_of(spans["named"]) == parent_of(spans["unnamed"]) == id_of(spans["outer"])
    assert (trace_of(spans["foreign"]), parent_of(spans["foreign"])) == ("c" * 32, "d" * 16)


def test_what_has_been_is_recorded_with_its_times(exporter: InMemorySpanExporter) -> None:
    made = telemetry.record("job.wait", PARENT, 10.0, {"lorabus.attempt": 1}, ended=12.5)
    telemetry.record("backwards", PARENT, 13.0, ended=12.5)
    spans = by_name(exporter)
    assert (spans["job.wait"].start_time, spans["job.wait"].end_time) == (10_000_000_000, 12_500_000_000)
    assert made == f"00-{'a' * 32}-{id_of(spans['job.wait'])}-01"
    assert spans["backwards"].start_time == spans["backwards"].end_time


def test_a_fault_marks_the_span_and_goes_on(exporter: InMemorySpanExporter) -> None:
    def fail() -> None:
        with telemetry.span("fails", PARENT, links=(OTHER, "no traceparent")):
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    span = by_name(exporter)["fails"]
    assert span.status.status_code is trace.StatusCode.ERROR
    assert span.attributes is not None
    assert span.attributes["error.type"] == "ValueError"
    assert [f"{link.context.trace_id:032x}" for link in span.links] == ["c" * 32]


def test_a_log_line_inside_a_span_has_its_trace_id_with_and_without_an_exporter() -> None:
    assert _add_trace_id(None, "info", {}) == {}
    with telemetry.span("off", PARENT) as here:
        assert here == PARENT
        assert _add_trace_id(None, "info", {}) == {"trace_id": "a" * 32}


def test_without_an_exporter_ids_are_made_and_nothing_is_recorded() -> None:
    assert not telemetry.enabled()
    assert telemetry.record("gone", PARENT, time.time()) == PARENT
    with telemetry.span("root", None) as root, telemetry.span("child", None) as child:
        assert telemetry.trace_id(root) == telemetry.trace_id(child)


def test_without_an_exporter_the_sdk_is_not_even_imported() -> None:
    code = (
        "import sys; from services.common import telemetry; telemetry.configure('x');"
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={})
    assert json.loads(done.stdout) == []
