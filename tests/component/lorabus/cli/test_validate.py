"""`lorabus validate` on files: the lines that it prints and its exit codes."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lorabus.cli.validate import INVALID, UNREADABLE, VALID, validate, validate_quickly
from tests.component.lorabus.cli.documents import CONFIG_MAP, workspace


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, list[dict[str, Any]], str]]:
    """Exit code, JSON lines and what went to stderr."""

    def run_json(*files: Path, existing: Path | None = None) -> tuple[int, list[dict[str, Any]], str]:
        code = validate(list(files), True, existing)
        out, err = capsys.readouterr()
        return code, [json.loads(line) for line in out.splitlines()], err

    return run_json


Write = Callable[..., Path]
Run = Callable[..., tuple[int, list[dict[str, Any]], str]]


def test_a_valid_workspace(write: Write, run: Run) -> None:
    path = write(workspace())
    code, lines, err = run(path)
    assert (code, err) == (VALID, "")
    (line,) = lines
    assert (line["file"], line["name"], line["valid"], line["problems"]) == (str(path), "w", True, [])
    assert "'push'" in line["warnings"][0]
    assert list(line) == ["file", "name", "valid", "problems", "warnings"]


def test_one_line_for_each_workspace_with_all_its_problems(write: Write, run: Run) -> None:
    bad = workspace("Bad").replace("tiny", "tinny").replace("method: lora", "metod: lora")
    code, lines, _ = run(write(f"{workspace('a')}---{bad}"), write(workspace("c"), "other.yaml"))
    assert code == INVALID
    assert [(line["name"], line["valid"]) for line in lines] == [("a", True), ("Bad", False), ("c", True)]
    assert {problem["path"] for problem in lines[1]["problems"]} == {
        "metadata.name",
        "tuning.metod",
        "tuning.method",
        "tuning.preset.name",
    }
    assert all(set(problem) == {"path", "message"} for problem in lines[1]["problems"])


def test_json_files(write: Write, run: Run) -> None:
    document = {"kind": "Workspace", "tuning": {}}
    code, lines, _ = run(write(json.dumps(document), "x.json"))
    assert code == INVALID
    assert "tuning.input" in {problem["path"] for problem in lines[0]["problems"]}


def test_config_maps_of_the_same_files_come_first_then_the_folder(write: Write, run: Run, tmp_path: Path) -> None:
    wants = write(workspace(config="mine"))
    code, lines, _ = run(wants)
    assert code == INVALID
    assert str(tmp_path / "home/configmaps/mine") in lines[0]["problems"][0]["message"]
    write(
        "training_config: {DatasetConfig: {response_column: é}}".encode("latin-1"),
        "home/configmaps/mine/training_config.yaml",
    )
    assert "not UTF-8" in run(wants)[1][0]["problems"][0]["message"]
    write("training_config: {LoraConfig: {r: 0}}", "home/configmaps/mine/training_config.yaml")
    code, lines, _ = run(wants)
    assert [problem["path"].rpartition(".")[2] for problem in lines[0]["problems"]] == ["r"]
    assert run(wants, write(CONFIG_MAP.replace("R", "4"), "maps.yaml"))[0] == VALID


def test_the_folder_of_config_maps_can_be_named(
    write: Write, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("training_config: {}", "maps/mine/training_config.yaml")
    write("x", "maps/empty/other.yaml")
    monkeypatch.setenv("LORABUS_CONFIGMAPS_DIR", str(tmp_path / "maps"))
    assert run(write(workspace(config="mine")))[0] == VALID
    _, lines, _ = run(write(workspace(config="empty")))
    assert "does not contain 'training_config.yaml'" in lines[0]["problems"][0]["message"]
    _, lines, _ = run(write(workspace(config="../maps/mine")))
    assert "not found in namespace" in lines[0]["problems"][0]["message"]


def test_a_config_map_of_another_namespace_is_not_taken(write: Write, run: Run) -> None:
    elsewhere = CONFIG_MAP.replace("R", "4").replace("name: mine", "name: mine, namespace: other")
    _, lines, _ = run(write(f"{workspace(config='mine')}---{elsewhere}"))
    message = lines[0]["problems"][0]["message"]
    assert "not found in namespace 'default'" in message
    assert "this request (which brings none for that namespace)" in message


def test_allowed_sources_come_from_the_environment(write: Write, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(workspace().replace("https://data.example.com", "http://127.0.0.1:9000"))
    assert run(path)[0] == INVALID
    monkeypatch.setenv("LORABUS_SOURCE_ALLOW", "127.0.0.1:9000")
    assert run(path)[0] == VALID


def test_a_cluster_with_its_own_nodes_comes_from_the_environment(
    write: Write, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_type, without = write(workspace()), write(workspace().replace("instanceType: x, ", ""), "own.yaml")
    assert (run(with_type)[0], run(without)[0]) == (VALID, INVALID)
    monkeypatch.setenv("LORABUS_NODE_AUTO_PROVISIONING", "False")
    assert (run(with_type)[0], run(without)[0]) == (INVALID, VALID)


def test_an_update(write: Write, run: Run) -> None:
    old = write(workspace(), "old.yaml")
    assert run(write(workspace()), existing=old)[0] == VALID
    code, lines, _ = run(write(workspace().replace("tiny", "phi-4")), existing=old)
    assert code == INVALID
    assert [problem["message"] for problem in lines[0]["problems"] if "Preset cannot be changed" in problem["message"]]
    several = write(f"{workspace('x')}---{workspace('w').replace('tiny', 'phi-4')}", "several.yaml")
    _, lines, _ = run(write(workspace("w")), existing=several)
    assert [problem["path"] for problem in lines[0]["problems"]] == ["tuning.preset"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a: [1,", "line 2, column 1"),
        (b"a: 1\na: 2", "stands twice"),
        (b"\xff\xfe\x00", "not UTF-16"),
        (b"a: \x00", "U+0000"),
        (b"x" * 9_000_000, "8 MiB"),
        (b"--- 1\n" * 2001, "2,001 Workspaces"),
        (
            b"kind: Workspace\n" + b"".join(b"--- {kind: ConfigMap, metadata: {name: c%d}}\n" % n for n in range(2001)),
            "2,001",
        ),
    ],
)
def test_a_file_that_is_no_yaml_is_a_problem_with_its_place(write: Write, run: Run, content: bytes, words: str) -> None:
    path = write(content)
    code, lines, _ = run(path, write(workspace(), "good.yaml"))
    assert code == INVALID
    assert [line["valid"] for line in lines] == [False, True]
    assert lines[0]["file"] == str(path)
    assert words in lines[0]["problems"][0]["message"]


@pytest.mark.parametrize("content", ["", "---", "# nothing", CONFIG_MAP, "{apiVersion: v1, kind: Secret}"])
def test_a_file_without_a_workspace_is_a_problem(write: Write, run: Run, content: str) -> None:
    code, lines, _ = run(write(content))
    assert code == INVALID
    assert "no Workspace" in lines[0]["problems"][0]["message"]


def test_files_that_cannot_be_read(write: Write, run: Run, tmp_path: Path) -> None:
    code, lines, err = run(tmp_path / "nowhere.yaml", write(workspace()), tmp_path)
    assert code == UNREADABLE
    assert [line["valid"] for line in lines] == [True]
    assert "nowhere.yaml" in err
    assert len(err.splitlines()) == 2


@pytest.mark.parametrize("content", [None, b"a: [", b"kind: Secret\napiVersion: v1"])
def test_an_existing_that_cannot_be_used(write: Write, run: Run, tmp_path: Path, content: bytes | None) -> None:
    old = tmp_path / "nowhere.yaml" if content is None else write(content, "old.yaml")
    code, lines, err = run(write(workspace()), existing=old)
    assert (code, lines) == (UNREADABLE, [])
    assert old.name in err


def test_for_people(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert validate([write(workspace("Bad"))], False, None) == INVALID
    out = capsys.readouterr().out
    assert "Bad: not valid" in out
    assert "  metadata.name: invalid value" in out
    assert "  warning: " in out


def test_for_people_at_a_terminal(
    write: Write, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert validate([write(workspace('"[bold]bad"')), write(workspace("good"), "b.yaml")], False, None) == INVALID
    out = capsys.readouterr().out
    assert "✗ not valid" in out
    assert "[bold]bad" in out
    assert "✓ valid" in out
    assert "metadata.name" in out


def test_a_hostile_name_prints_no_control_characters(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    validate([write(workspace('"a\u202e\u0085b"'))], False, None)
    out = capsys.readouterr().out
    assert "\u202e" not in out
    assert "\u0085" not in out


def test_a_thousand_workspaces_in_one_call(write: Write, run: Run) -> None:
    path = write(
        "---".join(workspace(f"w{number}", "mine") for number in range(1000)) + "---" + CONFIG_MAP.replace("R", "4")
    )
    before = time.process_time()
    code, lines, _ = run(path)
    assert time.process_time() - before < 5
    assert (code, len(lines)) == (VALID, 1000)


def test_a_file_s_own_config_map_comes_before_another_file_s(write: Write, run: Run) -> None:
    good = write(f"{workspace(config='mine')}---\n{CONFIG_MAP.replace('R', '8', 1)}", "good.yaml")
    bad = write(f"{workspace(config='mine')}---\n{CONFIG_MAP.replace('R', '0', 1)}", "bad.yaml")
    code, lines, _ = run(good, bad)
    assert (code, [line["valid"] for line in lines]) == (INVALID, [True, False])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["FILE"], VALID),
        (["--json", "FILE"], VALID),
        (["FILE", "--json", "FILE"], VALID),
        (["FILE", "--existing", "FILE"], VALID),
        (["--existing=FILE", "FILE"], VALID),
        (["nowhere"], UNREADABLE),
        ([], None),
        (["--help"], None),
        (["FILE", "--jsn"], None),
        (["FILE", "--existing"], None),
        (["-h", "FILE"], None),
        (["--", "FILE"], None),
    ],
)
def test_plain_arguments_need_no_command_line_library(
    write: Write, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int | None
) -> None:
    path = str(write(workspace()))
    assert validate_quickly([argument.replace("FILE", path) for argument in arguments]) == code
    if "--json" in arguments and code == VALID:
        assert json.loads(capsys.readouterr().out.splitlines()[0])["valid"] is True
