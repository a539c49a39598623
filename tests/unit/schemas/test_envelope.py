"""Events survive the way over Kafka, and no header or body of a stranger can do more than be refused."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.envelope import MAX_DATA_BYTES, Envelope, EnvelopeError, decode, encode, valid_traceparent

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
HEADERS = [("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_type", b"t"), ("ce_source", b"s")]


def test_an_event_comes_back_as_it_went() -> None:
    event = Envelope(
        type="lorabus.job.accepted.v1",
        source="ingest",
        subject="default.a.0123456789ab",
        data={"jobId": "default.a.0123456789ab", "loss": 1.5},
        time=datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
        traceparent=TRACEPARENT,
        extensions={"requestid": "r-1"},
    )
    assert decode(*encode(event)) == event


def test_the_same_event_gives_the_same_bytes() -> None:
    event = Envelope(type="t", source="s", data={"a": 1}, id="x", time=datetime(2026, 1, 1, tzinfo=UTC))
    assert encode(event) == encode(event)


def test_a_tombstone_has_no_value() -> None:
    value, headers = encode(Envelope(type="t", source="s", data=None))
    assert value is None
    assert decode(value, headers).data is None


@pytest.mark.parametrize(
    ("value", "headers", "word"),
    [
        (b"{}", [], "ce_id"),
        (b"{}", HEADERS[1:], "ce_specversion"),
        (b"{}", [*HEADERS[1:], ("ce_specversion", b"0.3")], "1.0"),
        (b"[]", HEADERS, "object"),
        (b"{", HEADERS, "not JSON"),
        (b'{"a": NaN}', HEADERS, "not JSON"),
        (b'"' + b"x" * MAX_DATA_BYTES + b'"', HEADERS, "bytes"),
        (b"[" * 100_000, HEADERS, "not JSON"),
        (b'{"a":' + b"[" * 64 + b"]" * 64 + b"}", HEADERS, "64 levels"),
        (b'{"a":' * 300 + b"1" + b"}" * 300, HEADERS, "64 levels"),
        (b"{}", [*HEADERS, ("ce_id", b"2")], "twice"),
        (b"{}", [*HEADERS, ("CE_Id", b"2")], "twice"),
        (b"{}", [*HEADERS, ("ce_note", b"\xff\xfe")], "not UTF-8"),
        (b"{}", [*HEADERS, ("ce_note", b"x" * 9000)], "bytes"),
        (b"{}", [*HEADERS, ("ce_time", b"yesterday")], "RFC 3339"),
        (b"{}", [*HEADERS, ("ce_time", b"0001-01-01T00:00:00+14:00")], "RFC 3339"),
        (b"{}", [*HEADERS, ("ce_time", b"0001-01-01T23:00:00Z")], "RFC 3339"),
        (b"{}", [*HEADERS, ("ce_time", b"9999-12-31T23:59:59-14:00")], "RFC 3339"),
        (b"{}", [*HEADERS[2:], HEADERS[0], ("ce_id", None)], "ce_id"),
    ],
)
def test_a_broken_record_is_refused_with_its_fault(
    value: bytes, headers: list[tuple[str, bytes | None]], word: str
) -> None:
    with pytest.raises(EnvelopeError, match=word):
        decode(value, headers)


def test_data_as_deep_as_is_taken_can_be_written_again() -> None:
    value = b'{"a":' + b"[" * 63 + b"]" * 63 + b', "b": [{}, {}]}'
    assert decode(*encode(decode(value, HEADERS))).data == decode(value, HEADERS).data


@pytest.mark.parametrize("name", ["traceparent", "x-note", ""])
@pytest.mark.parametrize("value", [b"\xff\xfe", b"x" * 100_000, b"", None])
def test_headers_of_others_may_be_anything(name: str, value: bytes | None) -> None:
    assert decode(b"{}", [*HEADERS, (name, value)]).traceparent is None


@pytest.mark.parametrize("text", [None, "", "00-" + "0" * 32 + "-b7ad6b7169203331-01", "01" + TRACEPARENT[2:], "x"])
def test_a_broken_traceparent_is_ignored(text: str | None) -> None:
    assert valid_traceparent(text) is None


@given(
    st.binary(max_size=400), st.lists(st.tuples(st.text(max_size=20), st.none() | st.binary(max_size=40)), max_size=6)
)
def test_rubbish_never_raises_anything_else(value: bytes, headers: list[tuple[str, bytes | None]]) -> None:
    try:
        decode(value, [*HEADERS, *headers])
    except EnvelopeError as error:
        assert str(error)
