"""What answers mean, and what of them may be repeated."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from services.common.registry.answers import MAX_RETRY_AFTER, Answer, fault, retry_after
from services.common.registry.errors import NotAuthorized, NotFound, RegistryError, RegistryRefused, RegistryUnavailable
from services.common.registry.origins import Origin


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    return Answer(status, CIMultiDictProxy(CIMultiDict(headers)), body, "https://registry.example/v2/a")


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (401, NotAuthorized),
        (403, NotAuthorized),
        (404, NotFound),
        (400, RegistryRefused),
        (413, RegistryRefused),
        (301, RegistryRefused),
        (429, RegistryUnavailable),
        (500, RegistryUnavailable),
        (503, RegistryUnavailable),
        (599, RegistryUnavailable),
        (204, RegistryUnavailable),
    ],
)
def test_statuses(status: int, meaning: type[RegistryError]) -> None:
    assert type(fault("registry.example", "x", answer(status))) is meaning


def test_the_registry_s_words_are_quoted_without_secrets_and_without_tricks() -> None:
    body = b'{"errors":[{"code":"DENIED","message":"no \\u001b[31m\\nroom for hunter2"}]}'
    error = fault("registry.example", "the push", answer(403, body), ["hunter2"])
    assert str(error) == "registry registry.example: the push: HTTP 403 (DENIED: no [31m room for [hidden])"


@given(st.binary(max_size=300))
def test_any_body_is_quoted_on_one_line(body: bytes) -> None:
    text = str(fault("registry.example", "x", answer(400, body)))
    assert text.isprintable()
    assert len(text) < 500


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("0", 0.0), ("7", 7.0), (" 7 ", 7.0), ("999999999", MAX_RETRY_AFTER), ("soon", None), ("-1", None), (None, None)],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after(header) == seconds


def test_retry_after_as_a_date() -> None:
    soon = retry_after(format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True))
    assert soon is not None
    assert 25 < soon <= 30
    assert retry_after(format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)) == 0.0


@given(st.text(max_size=70))
def test_any_retry_after_is_bounded(header: str) -> None:
    seconds = retry_after(header)
    assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER


@pytest.mark.parametrize(
    ("location", "followed"),
    [
        ("/v2/a?x=1", "https://registry.example/v2/a?x=1"),
        ("https://storage.example/blob?sig=a%2Fb", "https://storage.example/blob?sig=a%2Fb"),
        ("http://listed.example:9000/x", "http://listed.example:9000/x"),
        ("http://storage.example/x", None),
        ("https://user:password@storage.example/x", None),
        ("ftp://storage.example/x", None),
        ("https://[broken/x", None),
    ],
)
def test_where_a_registry_may_send_us(location: str, followed: str | None) -> None:
    origin = Origin.of("registry.example", ["listed.example:9000"])
    if followed is None:
        with pytest.raises(RegistryRefused):
            origin.follow(location, origin.url)
    else:
        assert origin.follow(location, origin.url) == followed


def test_who_may_see_the_credential() -> None:
    origin = Origin.of("docker.io")
    assert origin.owns("https://registry-1.docker.io/v2/a")
    assert origin.owns("https://registry-1.docker.io:443/v2/a")
    assert not origin.owns("http://registry-1.docker.io/v2/a")
    assert not origin.owns("https://registry-1.docker.io:8443/v2/a")
    assert not origin.owns("https://registry-1.docker.io.evil.example/v2/a")
