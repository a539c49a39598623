"""Where nothing is up, every command that needs a server says which one it missed, and ends with 3."""

import socket
from pathlib import Path

import pytest

from tests.e2e.system import System

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "tune-python-docs.yaml"


@pytest.fixture
def nothing(tmp_path: Path) -> System:
    """A home in which nothing was ever started."""
    return System(tmp_path, "embedded", {})


@pytest.mark.parametrize(
    ("words", "server"),
    [
        (("submit", str(EXAMPLE)), "Kafka"),
        (("watch", "default.a.0123456789ab"), "Kafka"),
        (("topics", "apply"), "Kafka"),
        (("dlq", "list"), "Kafka"),
        (("jobs",), "ingest"),
        (("show", "default.a.0123456789ab"), "ingest"),
        (("cancel", "default.a.0123456789ab"), "ingest"),
        (("publish", "default.a.0123456789ab"), "ingest"),
    ],
)
def test_the_missing_server_is_named(nothing: System, words: tuple[str, ...], server: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    done = nothing.run(*words, LORABUS_KAFKA=address, LORABUS_HTTP_ADDR=address)

    assert (done.code, done.out) == (3, "")
    assert server in done.err
    assert address in done.err
    assert "Traceback" not in done.err


def test_status_and_down_have_nothing_to_say(nothing: System) -> None:
    assert nothing.good("status", "--json").out == ""
    assert nothing.good("down", "--json").out == ""


def test_wrong_usage_and_unreadable_files_end_with_2(nothing: System, tmp_path: Path) -> None:
    assert nothing.run("submit", str(tmp_path / "absent.yaml")).code == 2
    assert nothing.run("submit").code == 2
    assert nothing.run("watch", "--sideways").code == 2
    assert nothing.run("jobs", LORABUS_LEASE_SECONDS="long").code == 2


def test_what_is_no_workspace_ends_with_1_before_any_server_is_asked(nothing: System, tmp_path: Path) -> None:
    (tmp_path / "words.yaml").write_text("just words\n")
    done = nothing.run("submit", str(tmp_path / "words.yaml"))

    assert (done.code, done.out) == (1, "")
    assert "words.yaml" in done.err
