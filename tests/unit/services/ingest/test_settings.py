"""Where ingest listens, and that nobody from outside gets in without a token."""

from pathlib import Path

import pytest

from services.common.errors import StartError
from services.ingest.http_guard import read_tokens
from services.ingest.settings import IngestSettings, is_loopback


@pytest.mark.parametrize(
    ("address", "parts"),
    [("127.0.0.1:8080", ("127.0.0.1", 8080)), ("[::1]:0", ("::1", 0)), ("localhost:1", ("localhost", 1))],
)
def test_an_address_is_split(address: str, parts: tuple[str, int]) -> None:
    assert IngestSettings(http_addr=address).http_host_and_port() == parts


@pytest.mark.parametrize("address", ["0.0.0.0:8080", "192.0.2.1:80", "[::]:80", "lorabus.example.com:80"])
def test_a_public_address_needs_tokens(address: str) -> None:
    with pytest.raises(StartError, match="LORABUS_API_TOKENS_FILE"):
        read_tokens(IngestSettings(http_addr=address))


def test_tokens_are_lines_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("# for the team\none\n\n two \n")
    tokens = read_tokens(IngestSettings(http_addr="0.0.0.0:80", api_tokens_file=file))
    assert [tokens.know(text) for text in ("one", "two", "", "# for the team", "o")] == [
        True,
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_a_file_without_tokens_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "tokens").write_text(text)
    with pytest.raises(StartError, match="no token"):
        read_tokens(IngestSettings(api_tokens_file=tmp_path / "tokens"))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="absent"):
        read_tokens(IngestSettings(api_tokens_file=tmp_path / "absent"))


def test_loopback_is_what_only_this_machine_reaches() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost")] == [True] * 4
    assert [is_loopback(host) for host in ("::", "192.0.2.1", "localhost.evil.example", "10.0.0.1")] == [False] * 4
