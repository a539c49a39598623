"""Records as they are sent: golden events through the CloudEvents SDK, rubbish left out, signatures that verify."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from cloudevents.core.bindings.http import HTTPMessage, from_structured
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from schemas.source_urls import SourceUrl
from services.ingest.webhooks.endpoints import Endpoint
from services.ingest.webhooks.message import CONTENT_TYPE, message_of, wants
from services.ingest.webhooks.signature import signed_headers

EXAMPLES = Path(__file__).parents[5] / "schemas" / "examples" / "tuning.events" / "v1"
GOLDEN = [json.loads(file.read_text()) for file in sorted(EXAMPLES.glob("*.json"))]
SECRET, OTHER = "whsec_" + "QUJD" * 8, "whsec_" + "REVG" * 8
EVENT = next(golden for golden in GOLDEN if golden["headers"]["ce_type"] == "lorabus.job.accepted.v1")


def record(golden: dict[str, Any], **headers: str | bytes) -> ConsumerRecord:
    """The record of a golden event, with headers replaced."""
    texts = {**golden["headers"], **headers}
    given = [(name, text if isinstance(text, bytes) else text.encode()) for name, text in texts.items()]
    value = None if golden["value"] is None else json.dumps(golden["value"]).encode()
    return ConsumerRecord("tuning.events.v1", 3, 7, 1_000, 0, golden["key"].encode(), value, None, -1, -1, given)


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden["headers"]["ce_type"])
def test_the_cloudevents_sdk_reads_what_an_endpoint_gets(golden: dict[str, Any]) -> None:
    message = message_of(record(golden))
    assert message is not None
    event = from_structured(HTTPMessage({"content-type": CONTENT_TYPE}, message.body), JSONFormat())
    headers = golden["headers"]
    assert (event.get_id(), event.get_type(), event.get_source()) == (
        headers["ce_id"],
        headers["ce_type"],
        headers["ce_source"],
    )
    assert event.get_subject() == golden["key"]
    assert event.get_time() == datetime.fromisoformat(headers["ce_time"])
    assert event.get_data() == golden["value"]
    assert message.id == headers["ce_id"]
    assert message.born == 1.0


def test_the_trace_and_the_request_go_along() -> None:
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    message = message_of(record(EVENT, traceparent=trace, ce_requestid="r1"))
    assert message is not None
    body = json.loads(message.body)
    assert (body["traceparent"], body["requestid"], message.traceparent) == (trace, "r1", trace)


@pytest.mark.parametrize(
    "headers",
    [
        {"ce_id": "x"},
        {"ce_id": f"{EVENT['key']}:0:ingest:1\r\nx-evil: 1"},
        {"ce_id": f"{EVENT['key']}:0:ingest:1\n"},
        {"ce_id": f"{EVENT['key']}:0:ingest:-1"},
        {"ce_id": f"{EVENT['key']}.1.{{}}"},
        {"ce_id": b"\xff"},
        {"ce_specversion": "9"},
        {"ce_type": ""},
    ],
)
def test_what_is_not_named_like_our_events_is_left_out(headers: dict[str, str | bytes]) -> None:
    assert message_of(record(EVENT, **headers)) is None


@pytest.mark.parametrize(
    "change",
    [
        {"value": None},
        {"value": [1]},
        {"value": {}},
        {"value": {"jobId": 1}},
        {"value": {"jobId": "../../x"}},
        {"key": "default.other.0123456789ab"},
    ],
)
def test_what_is_no_event_of_its_job_is_left_out(change: dict[str, Any]) -> None:
    assert message_of(record({**EVENT, **change})) is None


def test_attributes_cannot_take_the_place_of_the_data() -> None:
    message = message_of(record(EVENT, ce_data="evil", ce_data_base64="ZXZpbA==", ce_Ünsafe="x"))
    assert message is not None
    body = json.loads(message.body)
    assert body["data"] == EVENT["value"]
    assert "data_base64" not in body


def endpoint(**asked: Any) -> Endpoint:
    return Endpoint("team", SourceUrl("https", "hooks.example.com", 443, "/"), (SECRET,), **asked)


def test_an_endpoint_gets_what_it_asked_for() -> None:
    message = message_of(record(EVENT))
    assert message is not None
    namespace = message.job_id.partition(".")[0]
    assert wants(endpoint(), message)
    assert wants(endpoint(types=frozenset({"job.accepted"}), namespaces=frozenset({namespace})), message)
    assert wants(endpoint(since=message.time), message)
    assert not wants(endpoint(types=frozenset({"job.failed"})), message)
    assert not wants(endpoint(namespaces=frozenset({"elsewhere"})), message)
    assert not wants(endpoint(since=datetime.max.replace(tzinfo=UTC)), message)


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=5))
def test_whoever_knows_one_of_the_secrets_verifies_a_signature(data: dict[str, str]) -> None:
    body = json.dumps(data).encode()
    headers = signed_headers((SECRET, OTHER), "default.a.0123456789ab:0:ingest:1", body, datetime.now(UTC))
    for secret in (SECRET, OTHER):
        assert Webhook(secret).verify(body, headers) == data
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "R0hJ" * 8).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body + b" ", headers)


label = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True) | st.just("1767323045")


@given(label, label, st.from_regex(r"[0-9a-f]{12}", fullmatch=True), st.integers(0, 99), st.integers(1, 999))
def test_no_other_reading_of_a_signed_text_is_json(
    namespace: str, name: str, digits: str, attempt: int, sequence: int
) -> None:
    signed = f"{namespace}.{name}.{digits}:{attempt}:trainer:{sequence}.1767323045.{{}}"
    parts = signed.split(".")
    readings = [".".join(parts[border + 2 :]) for border in range(len(parts) - 2)]
    assert [reading for reading in readings if _is_json(reading)] == ["{}"]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except json.JSONDecodeError:
        return False
    return True
