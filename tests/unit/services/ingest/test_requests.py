"""What a record of the requests topic is read as: an event, nothing but JSON, or something to refuse."""

import dataclasses
import json
from collections.abc import Sequence

import pytest
from aiokafka import ConsumerRecord

from schemas.envelope import MAX_DATA_BYTES, Envelope, EnvelopeError, encode
from services.ingest.requests import REQUEST, Request, decode_request, request_of

WORKSPACE = {"apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": {"name": "a"}}


def record(value: bytes | None, headers: Sequence[tuple[str, bytes | None]] | None = None) -> ConsumerRecord:
    return ConsumerRecord("tuning.requests.v1", 3, 41, 1_700_000_000_000, 0, None, value, None, -1, -1, headers or [])


def read(value: object, headers: Sequence[tuple[str, bytes | None]] | None = None) -> Request:
    return request_of(decode_request(record(json.dumps(value).encode(), headers)))


def test_an_event_keeps_its_id_and_its_trace() -> None:
    trace = f"00-{'1' * 32}-{'2' * 16}-01"
    _, headers = encode(Envelope(type=REQUEST, source="me", id="mine", data={}, traceparent=trace))
    request = read({"workspace": WORKSPACE, "configMaps": {"m": {"k": "v"}}, "rerun": "x"}, headers)
    assert (request.id, request.traceparent, request.rerun, request.fault) == ("mine", trace, "x", None)
    assert request.workspace == WORKSPACE
    assert request.config_maps == {"m": {"k": "v"}}


def test_an_attribute_that_nobody_knows_changes_nothing() -> None:
    _, headers = encode(Envelope(REQUEST, "me", {}, extensions={"lorabusfault": "said by a stranger"}))
    assert read(WORKSPACE, headers).fault is None


def test_a_bare_workspace_is_named_by_where_it_stands() -> None:
    request = read(WORKSPACE)
    assert request.id == "tuning.requests.v1-3-41"
    assert request.received_at.year == 2023
    assert request.workspace == WORKSPACE
    assert request.fault is None


def test_null_is_as_good_as_absent() -> None:
    request = read({"workspace": WORKSPACE, "configMaps": None, "rerun": None})
    assert (request.config_maps, request.rerun, request.fault) == ({}, None, None)


@pytest.mark.parametrize("timestamp", [-1, 10**15, 2**63 - 1])
def test_no_time_that_a_producer_claims_is_beyond_the_calendar(timestamp: int) -> None:
    claimed = dataclasses.replace(record(json.dumps(WORKSPACE).encode()), timestamp=timestamp)
    request = request_of(decode_request(claimed))
    assert 1970 <= request.received_at.year <= 9999
    assert encode(Envelope(type="t", source="s", data=None, time=request.received_at))


def test_it_is_the_same_request_when_it_is_read_again() -> None:
    assert read(WORKSPACE) == read(WORKSPACE)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"specversion": "1.0", "type": REQUEST, "data": {"workspace": WORKSPACE}}, "specversion"),
        ({"kind": "Pod"}, "kind"),
        ({}, "kind"),
        ({**WORKSPACE, "apiVersion": "v2"}, "apiVersion"),
        ({"workspace": {}}, "workspace.kind"),
        ({"workspace": [1]}, "workspace"),
        ({"workspace": WORKSPACE, "configMaps": {"a": 1}}, "configMaps.a"),
        ({"workspace": WORKSPACE, "rerun": "x" * 200}, "rerun"),
    ],
)
def test_what_is_no_request_says_which_field(value: object, path: str) -> None:
    fault = read(value).fault
    assert fault is not None
    assert fault.path == path


@pytest.mark.parametrize(
    "headers",
    [
        [("ce_id", b"1")],
        [("ce_id", b"\xff\xfe")],
        [("ce_type", b"x" * 9000)],
        [("ce_specversion", b"0.3"), ("ce_id", b"1"), ("ce_type", REQUEST.encode()), ("ce_source", b"s")],
        [("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_type", b"lorabus.other.v1"), ("ce_source", b"s")],
    ],
)
def test_broken_headers_are_a_fault_and_the_data_still_names_the_job(headers: list[tuple[str, bytes]]) -> None:
    request = read(WORKSPACE, headers)
    assert request.fault is not None
    assert "ce_" in request.fault.message
    assert request.workspace is None
    assert request.raw == WORKSPACE


@pytest.mark.parametrize("value", [b'{"kind": "Workspace", "kind": "Workspace"}', b'{"kind": "a\\u0000b"}'])
def test_json_against_our_rules_is_a_fault_with_an_answer(value: bytes) -> None:
    request = request_of(decode_request(record(value)))
    assert request.fault is not None
    assert isinstance(request.raw, dict)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"[]",
        b"null",
        b'"text"',
        b"\xff",
        b"{",
        b"[" * 100_000,
        b'{"a":' * 5_000,
        b'{"a":' * 500 + b"1" + b"}" * 500,
        b'{"a":"' + b"x" * MAX_DATA_BYTES + b'"}',
        b'{"a": NaN}',
        b'{"a": ' + b"9" * 100_000 + b"}",
    ],
)
def test_what_is_no_json_object_cannot_be_answered(value: bytes | None) -> None:
    with pytest.raises(EnvelopeError):
        decode_request(record(value))


def test_a_broken_traceparent_is_ignored() -> None:
    assert read(WORKSPACE, [("traceparent", b"zz")]).traceparent is None
    assert read(WORKSPACE, [("traceparent", None)]).traceparent is None
