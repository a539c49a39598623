"""Secrets do not reach a log line, whatever name or text carries them."""

import pytest

from services.common.logs import HIDDEN, redact


@pytest.mark.parametrize("name", ["password", "s3_secret_key", "Authorization", "api_token", "identitytoken"])
def test_values_are_hidden_by_name(name: str) -> None:
    assert redact(None, "info", {name: "hunter2"}) == {name: HIDDEN}


@pytest.mark.parametrize(
    "text", ["sent Authorization: Bearer abcdef123456", "GET https://user:hunter2@host/x", "Basic aGVsbG86d29ybGQ="]
)
def test_credentials_inside_texts_are_hidden(text: str) -> None:
    shown = str(redact(None, "info", {"error": text})["error"])
    assert HIDDEN in shown
    assert "hunter2" not in shown
    assert "abcdef123456" not in shown


def test_ordinary_words_stay() -> None:
    event = {"event": "12 tokens per second", "tokens": 5, "key": "jobs/a"}
    assert redact(None, "info", dict(event)) == event
