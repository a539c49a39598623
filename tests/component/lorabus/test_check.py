"""`lorabus check` as a user runs it: the real process behind it, the example's tokenizer, files on disk."""

import json
from pathlib import Path

import pytest

from lorabus.cli.check import check_command
from lorabus.faults import BadFile, BadInput

TINY = Path(__file__).parents[3] / "examples" / "tiny"
GOOD = '{"prompt": "q", "completion": "a"}\n'
CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata: {name: any}
data:
  training_config.yaml: |
    training_config:
      TrainingArguments: {max_steps: 7, learning_rate: 2.0e-4}
      DatasetConfig: {train_test_split: 0.5, context_column: question, response_column: answer}
"""


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "tiny").symlink_to(TINY)
    monkeypatch.setenv("LORABUS_MODELS", str(tmp_path / "models"))


def check(*files: Path, config: Path | None = None, as_json: bool = True, preset: str = "tiny") -> int:
    return check_command(files, preset=preset, method="lora", config=config, as_json=as_json)


def test_good_data_is_told_with_what_training_on_it_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, config = tmp_path / "a.csv", tmp_path / "config.yaml"
    file.write_text("question,answer\nq,a\nr,b\n")
    config.write_text(CONFIG)
    assert check(file, config=config) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["valid"], told["rows"], told["evalRows"], told["plannedSteps"]) == (True, 1, 1, 7)
    assert told["timeSeconds"] > 0
    assert told["memoryBytes"][0] < told["memoryBytes"][1]
    assert told["preview"][0]["stretches"][0][1].startswith("<|begin|><|user|>")


def test_bad_rows_are_listed_and_the_exit_code_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(GOOD + '{"prompt": "x"}\n')
    assert check(file, as_json=False) == 1
    captured = capsys.readouterr()
    assert f"{file}:2: the row has no completion (missing_field at /completion)" in captured.out
    assert "1 of 2 rows cannot be used" in captured.err


def test_people_see_what_is_trained_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.jsonl").write_text(GOOD * 3)
    (tmp_path / "data" / "README.md").write_text("about it")
    (tmp_path / "data" / ".cache").mkdir()
    (tmp_path / "data" / ".cache" / "hidden.jsonl").write_text("a job does not look here")
    assert check(tmp_path / "data", as_json=False) == 0
    out = capsys.readouterr().out
    assert "jsonl prompt-completion" in out
    assert "<|assistant|>[[a<|end|>]]" in out
    assert "2 duplicates" in out


def test_a_file_that_is_not_there_and_a_preset_that_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="no such file"):
        check(tmp_path / "nothing.jsonl")
    with pytest.raises(BadInput, match="did you mean tiny"):
        check(tmp_path / "nothing.jsonl", preset="tini")


def test_a_config_is_judged_as_ingest_judges_it(tmp_path: Path) -> None:
    file, config = tmp_path / "a.jsonl", tmp_path / "training_config.yaml"
    file.write_text(GOOD)
    config.write_text("training_config:\n  DatasetConfig: {train_test_split: 2}\n")
    with pytest.raises(BadInput, match="train_test_split"):
        check(file, config=config)
