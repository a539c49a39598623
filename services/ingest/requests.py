"""What a record of the requests topic asks for. Pure.

A request may come as an event or as nothing but JSON (`kcat` with a converted YAML file). What is JSON enough to name
a job gets an answer, even where the rest of it is broken; only what cannot be read at all is a dead letter alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import orjson
from aiokafka import ConsumerRecord
from pydantic import ValidationError

from schemas.admission.workspace import V1ALPHA1, V1BETA1
from schemas.document_limits import DocumentError
from schemas.envelope import MAX_DATA_BYTES, Envelope, EnvelopeError, decode, traceparent_of
from schemas.events.job import FieldProblem, TuningRequest
from schemas.json_documents import load_json
from schemas.topics import full_type

REQUEST = full_type("tuning.request")
API_VERSIONS = (V1BETA1, V1ALPHA1)
FAULT = "lorabusfault"
# A day before the calendar's last, which not every zone has.
_LAST_MS = int(datetime(9999, 12, 30, tzinfo=UTC).timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Request:
    """One Workspace to admit; None where none can be found. `raw` is what it was read from.

    `fault` says what is wrong with the form, so that it should never have been sent: such a request is not only
    rejected but kept as a dead letter.
    """

    id: str
    received_at: datetime
    workspace: Mapping[str, object] | None
    config_maps: Mapping[str, object] = field(default_factory=dict)
    rerun: str | None = None
    traceparent: str | None = None
    raw: object = None
    fault: FieldProblem | None = None


def decode_request(record: ConsumerRecord) -> Envelope:
    """Read a record; raises `EnvelopeError` when it holds no JSON object, notes any other fault in the envelope."""
    data, fault = _object(record.value)
    try:
        head = decode(None, record.headers) if _claims_to_be_event(record) else _bare(record)
    except EnvelopeError as error:
        head, fault = _bare(record), fault or str(error)
    if head.type != REQUEST:
        fault = fault or f"ce_type must be {REQUEST}, not {head.type[:80]!r}"
    return replace(head, extensions={FAULT: fault} if fault else {}, data=data)


def request_of(envelope: Envelope) -> Request:
    """Give the request of an envelope of `decode_request`."""
    data = envelope.data or {}
    fault = envelope.extensions.get(FAULT)
    if fault is None:
        return read_request(data, request_id=envelope.id, received_at=envelope.time, traceparent=envelope.traceparent)
    problem = FieldProblem(path="", message=fault)
    return Request(envelope.id, envelope.time, None, traceparent=envelope.traceparent, raw=data, fault=problem)


def read_request(
    data: Mapping[str, object], *, request_id: str, received_at: datetime, traceparent: str | None
) -> Request:
    """Tell a request with ConfigMaps from a bare Workspace, and both from what is neither."""
    asked = Request(request_id, received_at, data, traceparent=traceparent, raw=data)
    if "workspace" not in data:
        return replace(asked, fault=_form_fault(data, ""))
    try:
        request = TuningRequest.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"])
        return replace(asked, workspace=None, fault=FieldProblem(path=path, message=first["msg"]))
    return replace(
        asked,
        workspace=request.workspace,
        config_maps=request.config_maps,
        rerun=request.rerun or None,
        fault=_form_fault(request.workspace, "workspace."),
    )


def _form_fault(value: Mapping[str, object], prefix: str) -> FieldProblem | None:
    """Say what keeps an object from being a Workspace at all; what is wrong inside one is admission's."""
    if "specversion" in value and "kind" not in value:
        message = "is taken from headers: send the attributes as ce_* headers and the data alone (binary content mode)"
        return FieldProblem(path=f"{prefix}specversion", message=message)
    if value.get("kind") != "Workspace":
        return FieldProblem(path=f"{prefix}kind", message=f"must be Workspace, not {_short(value.get('kind'))}")
    if value.get("apiVersion") not in API_VERSIONS:
        message = f"must be {' or '.join(API_VERSIONS)}, not {_short(value.get('apiVersion'))}"
        return FieldProblem(path=f"{prefix}apiVersion", message=message)
    return None


def _object(value: bytes | None) -> tuple[dict[str, object], str | None]:
    if value is None:
        raise EnvelopeError("a request without data")
    if len(value) > MAX_DATA_BYTES:
        raise EnvelopeError(f"data has {len(value):,} bytes, more than the {MAX_DATA_BYTES:,} that are read")
    try:
        data, fault = load_json(value.decode(), name="request"), None
    except UnicodeDecodeError as error:
        raise EnvelopeError(f"data is not UTF-8: {error.reason} at byte {error.start}") from error
    except DocumentError as error:
        data, fault = _leniently(value, error), str(error)
    if not isinstance(data, dict):
        raise EnvelopeError(f"data must be a JSON object, not {type(data).__name__}")
    return data, fault


def _leniently(value: bytes, error: DocumentError) -> object:
    """Read JSON that breaks our rules (a key twice, a control character), to know whom to answer."""
    try:
        data = orjson.loads(value)
        orjson.dumps(data)  # It refuses what is nested so deep that nobody could write it down again.
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        raise EnvelopeError(f"data is not JSON: {error}") from error
    return data


def _claims_to_be_event(record: ConsumerRecord) -> bool:
    return any(name.lower().startswith("ce_") for name, _ in record.headers)


def _bare(record: ConsumerRecord) -> Envelope:
    """Name a request that has no id by where it stands, so that it is the same one when it is read again."""
    return Envelope(
        type=REQUEST,
        source="kafka",
        id=f"{record.topic}-{record.partition}-{record.offset}",
        time=datetime.fromtimestamp(min(max(0, record.timestamp), _LAST_MS) / 1000, UTC),
        traceparent=traceparent_of(record.headers),
        data=None,
    )


def _short(value: object) -> str:
    return "absent" if value is None else repr(value)[:80]
