"""CloudEvents 1.0 in Kafka's binary content mode: attributes as `ce_*` headers, JSON data as the value.

Source: CloudEvents spec 1.0.2, "Kafka Protocol Binding", section 3.2.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import orjson

from schemas.document_limits import MAX_DEPTH

JSON = "application/json"
MAX_HEADER_BYTES = 8 * 1024
MAX_DATA_BYTES = 1024 * 1024
_DAY = timedelta(days=1)
_REQUIRED = ("id", "type", "source", "specversion")
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

Headers = Iterable[tuple[str, bytes | None]]
"""Kafka lets a header have no value: such a one counts as absent."""


class EnvelopeError(ValueError):
    """A Kafka record that is no CloudEvent with a JSON object as data; the text names the header or the problem."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One event: its attributes and its data.

    `data` is None for a tombstone on a compacted topic. `extensions` holds further attributes such as
    `requestid` (the id of the request that an answer belongs to); `traceparent` travels as a plain header.
    """

    type: str
    source: str
    data: dict[str, object] | None
    subject: str | None = None
    id: str = field(default_factory=lambda: str(uuid4()))
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    traceparent: str | None = None
    extensions: Mapping[str, str] = field(default_factory=dict)


def encode(envelope: Envelope) -> tuple[bytes | None, list[tuple[str, bytes]]]:
    """Give the record's value and headers; the same envelope always gives the same bytes."""
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": envelope.id,
        "ce_type": envelope.type,
        "ce_source": envelope.source,
        "ce_time": envelope.time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        **({"ce_subject": envelope.subject} if envelope.subject else {}),
        **{f"ce_{name}": value for name, value in sorted(envelope.extensions.items())},
        **({"traceparent": envelope.traceparent} if envelope.traceparent else {}),
        "content-type": JSON,
    }
    value = None if envelope.data is None else orjson.dumps(envelope.data)
    return value, [(name, text.encode()) for name, text in attributes.items()]


def decode(value: bytes | None, headers: Headers) -> Envelope:
    """Read a record that claims to be an event; every fault is an `EnvelopeError`."""
    texts = _attributes(headers)
    missing = [f"ce_{name}" for name in _REQUIRED if not texts.get(f"ce_{name}")]
    if missing:
        raise EnvelopeError(f"missing CloudEvents header(s): {', '.join(missing)}")
    if texts["ce_specversion"] != "1.0":
        raise EnvelopeError(f"ce_specversion must be 1.0, not {texts['ce_specversion'][:20]!r}")
    return Envelope(
        id=texts.pop("ce_id"),
        type=texts.pop("ce_type"),
        source=texts.pop("ce_source"),
        subject=texts.pop("ce_subject", None),
        time=_time(texts.pop("ce_time", None)),
        traceparent=traceparent_of(headers),
        extensions={name.removeprefix("ce_"): text for name, text in texts.items() if name != "ce_specversion"},
        data=None if value is None else decode_object(value),
    )


def decode_object(value: bytes) -> dict[str, object]:
    """Parse a JSON object of bounded size and depth; orjson refuses NaN and lone surrogates by itself."""
    if len(value) > MAX_DATA_BYTES:
        raise EnvelopeError(f"data has {len(value):,} bytes, more than the {MAX_DATA_BYTES:,} that are read")
    try:
        data = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise EnvelopeError(f"data is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise EnvelopeError(f"data must be a JSON object, not {type(data).__name__}")
    if value.count(b"[") + value.count(b"{") > MAX_DEPTH and _deeper_than(MAX_DEPTH, data):
        # orjson reads four times as deep as it writes: whoever passes such data on would fail.
        raise EnvelopeError(f"data is nested more than {MAX_DEPTH} levels deep")
    return data


def _deeper_than(levels: int, data: dict[str, object]) -> bool:
    inside: list[dict[str, object] | list[object]] = [data]
    for _ in range(levels):
        items = (item for each in inside for item in (each.values() if isinstance(each, dict) else each))
        inside = [item for item in items if isinstance(item, dict | list)]
    return bool(inside)


def traceparent_of(headers: Headers) -> str | None:
    """The trace that a record belongs to, if it names one."""
    found = next((raw for name, raw in headers if name.lower() == "traceparent"), None)
    return valid_traceparent((found or b"").decode(errors="replace"))


def valid_traceparent(text: str | None) -> str | None:
    """Give a W3C traceparent (version 00) back, or None when it is absent or broken: the standard says to ignore it."""
    return text if text and _TRACEPARENT.fullmatch(text) else None


def _attributes(headers: Headers) -> dict[str, str]:
    """The event's own headers; what other programs add along the way may be anything."""
    texts: dict[str, str] = {}
    for given, raw in headers:
        name = given.lower()
        if raw is None or not name.startswith("ce_"):
            continue
        if len(raw) > MAX_HEADER_BYTES:
            raise EnvelopeError(f"header {given[:40]!r} has {len(raw):,} bytes, more than {MAX_HEADER_BYTES:,}")
        if name in texts:
            raise EnvelopeError(f"header {given[:40]!r} stands twice")
        try:
            texts[name] = raw.decode()
        except UnicodeDecodeError as error:
            raise EnvelopeError(f"header {given[:40]!r} is not UTF-8") from error
    return texts


def _time(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        time = datetime.fromisoformat(text)
        time = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
        # The first and the last hours of the calendar have no name in some zone.
        return time + _DAY - _DAY - _DAY + _DAY
    except (ValueError, OverflowError) as error:
        raise EnvelopeError(f"ce_time is not an RFC 3339 time: {text[:40]!r}") from error
