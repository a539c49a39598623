"""One trace per job over OpenTelemetry: short spans, all children of the `traceparent` that the job carries.

Exporters follow the standard `OTEL_*` variables; `OTEL_TRACES_EXPORTER` is `otlp`, `zipkin`, `console` or `none`
(the default). With `none` no SDK is loaded, ids are still made, so that events always carry the job's trace id.
"""

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import time

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from schemas.envelope import valid_traceparent
from services.common.errors import StartError

_PROPAGATOR = TraceContextTextMapPropagator()
Attributes = Mapping[str, str | int | float | bool]


def configure(service: str) -> None:
    """Install the exporter that `OTEL_TRACES_EXPORTER` names."""
    kind = os.environ.get("OTEL_TRACES_EXPORTER", "none").strip().lower() or "none"
    if kind == "none" or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - the SDK costs start-up time only when used.
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    resource = Resource.create({"service.name": f"lorabus-{service}", "service.namespace": "lorabus"})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(_exporter(kind), schedule_delay_millis=1000))
    trace.set_tracer_provider(provider)


def shutdown() -> None:
    """Send what is still buffered."""
    provider = trace.get_tracer_provider()
    if hasattr(provider, "shutdown"):
        provider.shutdown()


def new_traceparent() -> str:
    """Make the root of a new trace for a job whose producer sent none."""
    digits = secrets.token_hex(24)
    return f"00-{digits[:32]}-{digits[32:]}-01"


def trace_id(traceparent: str) -> str:
    """Give the 32 hex digits of the trace."""
    return traceparent.split("-")[1]


@contextmanager
def span(
    name: str,
    traceparent: str | None,
    attributes: Attributes | None = None,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    links: tuple[str, ...] = (),
) -> Iterator[str]:
    """Run a block as a child of `traceparent` and give the child's own traceparent, to hand on.

    Inside another span of the same trace it is that one's child; without a parent it is the root of a new trace.
    Without an exporter the block gets the parent's traceparent (or a new one) and nothing is recorded.
    """
    parent = _parent(traceparent)
    if not enabled():
        # No exporter: only the trace id, for the logs.
        parent = parent or new_traceparent()
        with trace.use_span(trace.NonRecordingSpan(_context_of(parent))):
            yield parent
        return
    with trace.get_tracer("lorabus").start_as_current_span(
        name,
        context=_below(parent),
        kind=kind,
        attributes=attributes,
        links=[Link(_context_of(link)) for link in links if valid_traceparent(link)],
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield _traceparent_of(current) or parent or new_traceparent()
        except Exception as error:
            current.set_attribute("error.type", type(error).__name__)
            current.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"[:300]))
            raise


def record(
    name: str,
    traceparent: str | None,
    began: float,
    attributes: Attributes | None = None,
    *,
    ended: float | None = None,
) -> str | None:
    """Note what has been, from `began` to `ended` or now (seconds since 1970); gives the span's traceparent."""
    parent = _parent(traceparent)
    if not enabled():
        return parent
    end = ended if ended is not None else time()
    made = trace.get_tracer("lorabus").start_span(
        name, context=_below(parent), attributes=attributes, start_time=int(min(began, end) * 1e9)
    )
    made.end(int(end * 1e9))
    return _traceparent_of(made)


def messaging(operation: str, topic: str, message_id: str) -> dict[str, str | int | float | bool]:
    """OpenTelemetry's words for what is done with a record of Kafka."""
    return {
        "messaging.system": "kafka",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": topic,
        "messaging.message.id": message_id,
    }


def enabled() -> bool:
    """Tell whether spans go anywhere."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def set_attributes(attributes: Attributes) -> None:
    """Add attributes to the running span."""
    trace.get_current_span().set_attributes(attributes)


def _parent(traceparent: str | None) -> str | None:
    """The running span where it belongs to the same trace, or where no other is named; else the one named."""
    given = valid_traceparent(traceparent)
    running = _traceparent_of(trace.get_current_span())
    return running if running and (given is None or trace_id(running) == trace_id(given)) else given


def _below(traceparent: str | None) -> Context:
    return _PROPAGATOR.extract({"traceparent": traceparent}) if traceparent else Context()


def _traceparent_of(current: Span) -> str | None:
    context: SpanContext = current.get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def _context_of(traceparent: str) -> SpanContext:
    _, trace_hex, span_hex, flags = traceparent.split("-")
    return SpanContext(int(trace_hex, 16), int(span_hex, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))


def _exporter(kind: str):  # type: ignore[no-untyped-def]
    match kind:
        case "otlp":
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

            return OTLPSpanExporter()
        case "zipkin":
            from opentelemetry.exporter.zipkin.json import ZipkinExporter  # noqa: PLC0415

            return ZipkinExporter()
        case "console":
            import sys  # noqa: PLC0415

            from opentelemetry.sdk.trace.export import ConsoleSpanExporter  # noqa: PLC0415

            return ConsoleSpanExporter(out=sys.stderr)
        case _:
            raise StartError(f"OTEL_TRACES_EXPORTER must be otlp, zipkin, console or none, not {kind!r}")
