"""Files become requests: each Workspace with the one ConfigMap that it names, and nothing that ingest cannot read."""

from pathlib import Path

import pytest

from lorabus.faults import BadFile, BadInput, exit_code
from lorabus.requests import Request, read_requests
from schemas.events.job import TuningRequest
from services.common.errors import LorabusError

TWO = """\
kind: Workspace
metadata: {name: first}
tuning: {config: mine}
---
kind: Workspace
metadata: {name: second}
tuning: {}
---
kind: ConfigMap
metadata: {name: mine}
data: {training_config.yaml: "training_config: {}"}
---
kind: ConfigMap
metadata: {name: unused}
data: {training_config.yaml: "x"}
"""


def requests_of(tmp_path: Path, text: str, *, rerun: str | None = None) -> list[Request]:
    path = tmp_path / "request.yaml"
    path.write_text(text)
    return read_requests(path, rerun=rerun)


def test_every_workspace_is_a_request_with_the_config_map_that_it_names(tmp_path: Path) -> None:
    first, second = requests_of(tmp_path, TWO)

    assert (first.name, second.name) == ("first", "second")
    assert first.data["configMaps"] == {"mine": {"training_config.yaml": "training_config: {}"}}
    assert second.data["configMaps"] == {}
    assert "rerun" not in first.data


def test_what_is_sent_is_what_ingest_reads(tmp_path: Path) -> None:
    first, _ = requests_of(tmp_path, TWO, rerun="once-more")

    read = TuningRequest.model_validate(first.data)
    assert read.rerun == "once-more"
    assert read.workspace["metadata"] == {"name": "first"}


def test_the_example_becomes_one_request() -> None:
    (request,) = read_requests(Path(__file__).parents[3] / "examples" / "tune-python-docs.yaml")

    assert request.name == "python-docs"
    assert list(TuningRequest.model_validate(request.data).config_maps) == ["python-docs-lora"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no Workspace in it"),
        ("kind: ConfigMap\nmetadata: {name: mine}\n", "no Workspace in it"),
        ("just words\n", "a Workspace is an object"),
        ("kind: Workspace\nmetadata: [\n", "request.yaml:"),
        ("kind: Workspace\n1: a key that is no text\n", "a value that JSON cannot hold"),
        ("kind: Workspace\ntuning: {config: .nan}\n", "a value that JSON cannot hold"),
        ("--- {kind: Workspace}\n" * 2001, "2,001 Workspaces"),
        (f"kind: Workspace\nlong: {'x' * 1_100_000}\n", "more than the 1,048,576 of a request"),
    ],
)
def test_what_cannot_be_a_request_is_bad_input(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(BadInput, match=told) as caught:
        requests_of(tmp_path, text)

    assert "request.yaml" in str(caught.value)
    assert exit_code(caught.value) == 1


def test_no_more_of_a_file_is_read_than_is_taken() -> None:
    with pytest.raises(BadInput, match="8 MiB"):
        read_requests(Path("/dev/zero"))


def test_a_file_that_cannot_be_read_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"absent\.yaml: No such file") as caught:
        read_requests(tmp_path / "absent.yaml")

    assert exit_code(caught.value) == 2
    assert isinstance(caught.value, LorabusError)
