"""The operator's file: what it gives, and that whatever is wrong with it is named."""

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from services.common.errors import StartError
from services.ingest.settings import IngestSettings
from services.ingest.webhooks.endpoints import read_endpoints

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(range(32, 56))).decode()
GOOD = {"name": "team", "url": "https://hooks.example.com/lorabus?key=abc", "secret": "team-hook"}


def settings(home: Path, entries: object, secret: str | None = SECRET) -> IngestSettings:
    file = home / "webhooks.yaml"
    file.write_text(entries if isinstance(entries, str) else yaml.safe_dump(entries))
    if secret is not None:
        (home / "secrets" / "team-hook").mkdir(parents=True)
        (home / "secrets" / "team-hook" / "webhook-secret").write_text(secret)
    return IngestSettings(home=home, webhooks_file=file, source_allow=("hooks.internal:8000",))


def test_without_a_file_there_is_none() -> None:
    assert read_endpoints(IngestSettings()) == ()


@pytest.mark.parametrize("text", ["", "# none yet\n", "[]"])
def test_an_empty_file_names_none(tmp_path: Path, text: str) -> None:
    assert read_endpoints(settings(tmp_path, text)) == ()


def test_an_endpoint_gets_what_its_entry_says(tmp_path: Path) -> None:
    entry = {**GOOD, "types": ["job.succeeded", "image.*"], "namespaces": ["nlp"], "since": "2026-01-02T03:04:05Z"}
    (endpoint,) = read_endpoints(settings(tmp_path, [entry], f"{SECRET}\n{OTHER}\n"))
    assert endpoint.secrets == (SECRET, OTHER)
    assert str(endpoint.url) == GOOD["url"]
    assert endpoint.types == {"job.succeeded", "image.pushing", "image.published"}
    assert endpoint.namespaces == {"nlp"}
    assert endpoint.since == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_an_address_inside_needs_to_be_allowed_and_may_then_be_plain(tmp_path: Path) -> None:
    (endpoint,) = read_endpoints(settings(tmp_path, [{**GOOD, "url": "http://hooks.internal:8000/"}]))
    assert endpoint.url.port == 8000


def test_neither_secret_nor_address_is_in_any_text_about_an_endpoint(tmp_path: Path) -> None:
    (endpoint,) = read_endpoints(settings(tmp_path, [GOOD]))
    assert SECRET not in repr(endpoint)
    assert "key=abc" not in repr(endpoint)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"url": "http://hooks.example.com/"}, r"team\.url: must be https"),
        ({"url": "https://10.0.0.7/"}, r"team\.url: the address must not target .*LORABUS_SOURCE_ALLOW"),
        ({"url": "https://169.254.169.254/"}, r"team\.url"),
        ({"url": "https://localhost/"}, r"team\.url"),
        ({"url": "https://user:pw@hooks.example.com/"}, r"team\.url"),
        ({"url": "ftp://hooks.example.com/"}, r"team\.url"),
        ({"types": ["job.dancing"]}, r"team\.types: there is no 'job\.dancing'; known are job\.accepted"),
        ({"types": ["*"]}, r"team\.types"),
        ({"types": "job.*"}, r"0\.types"),
        ({"secret": "../etc"}, r"team\.secret: must be the name"),
        ({"secret": SECRET}, r"team\.secret: must be the name"),
        ({"secret": "absent"}, r"team\.secret: .*absent.* cannot be read"),
        ({"name": "No Name"}, r"0\.name"),
        ({"since": "2026-01-02T03:04:05"}, r"0\.since"),
        ({"secert": "x"}, r"0\.secert"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, change: dict[str, object], words: str) -> None:
    with pytest.raises(StartError, match=rf"LORABUS_WEBHOOKS_FILE .*: {words}"):
        read_endpoints(settings(tmp_path, [{**GOOD, **change}]))


@pytest.mark.parametrize("text", ["a: [", "name: team", "- 1", "just text"])
def test_a_file_that_is_no_list_of_endpoints_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(StartError, match="LORABUS_WEBHOOKS_FILE"):
        read_endpoints(settings(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"LORABUS_WEBHOOKS_FILE .*absent"):
        read_endpoints(IngestSettings(home=tmp_path, webhooks_file=tmp_path / "absent"))


def test_two_endpoints_of_one_name_would_share_their_place(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="same name"):
        read_endpoints(settings(tmp_path, [GOOD, {**GOOD, "url": "https://other.example.com/"}]))


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "hunter2", SECRET.removeprefix("whsec_"), "whsec_AAAA", "whsec_" + "A" * 400, f"{SECRET} hunter2"],
)
def test_a_weak_or_broken_secret_is_refused_and_not_told(tmp_path: Path, secret: str) -> None:
    with pytest.raises(StartError, match=r"team\.secret: .*webhook-secret must hold whsec_") as caught:
        read_endpoints(settings(tmp_path, [GOOD], secret))
    assert not [part for part in secret.split() if len(part) > 6 and part in str(caught.value)]
