"""Structured logs on stderr: JSON lines for machines, text for people, the trace id in each, no secrets in any."""

import logging
import re
import sys
from collections.abc import MutableMapping

import structlog
from opentelemetry import trace

from services.common.settings import Settings

_SECRET_NAME = re.compile(
    r"(password|passwd|secret_?key|access_?key|token|authorization|credential|auth)$", re.IGNORECASE
)
_SECRET_TEXT = re.compile(r"(?i)(bearer|basic)\s+[a-z0-9+/._~=-]{6,}|(://)[^/\s:@]+:[^/\s@]+@")
HIDDEN = "[hidden]"


def configure(settings: Settings, service: str) -> None:
    """Set up structlog, and let the standard library's loggers write through the same form."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace_id,
        structlog.processors.format_exc_info,
        redact,
    ]
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    level = getattr(logging, settings.log_level.upper())
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)
    structlog.contextvars.bind_contextvars(service=service)


def redact(_: object, __: str, event: MutableMapping[str, object]) -> MutableMapping[str, object]:
    """Hide values whose name says secret, and credentials inside texts."""
    for name, value in event.items():
        if _SECRET_NAME.search(name):
            event[name] = HIDDEN
        elif isinstance(value, str):
            event[name] = _SECRET_TEXT.sub(lambda match: f"{match[2] or ''}{HIDDEN}", value)
    return event


def _add_trace_id(_: object, __: str, event: MutableMapping[str, object]) -> MutableMapping[str, object]:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = f"{context.trace_id:032x}"
    return event
