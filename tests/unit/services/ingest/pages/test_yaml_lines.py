"""On which line a problem stands."""

from unittest.mock import Mock

import pytest
import yaml

from services.ingest.pages.yaml_lines import Lines

YAML = """kind: ConfigMap
metadata: {name: c}
---
kind: Workspace
tuning:
  Method: x
  input:
    urls:
    - one
    - two
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("tuning.method", 6),
        ("tuning.input.urls[1]", 10),
        ("tuning.output.image", 5),
        ("tuning.input.urls[9]", 8),
        ("", 4),
    ],
)
def test_a_problem_is_found_at_its_line_or_at_what_is_around_it(path: str, line: int) -> None:
    assert Lines(YAML).of(0, path) == line


SETTINGS = """kind: Workspace
tuning:
  config: mine
---
kind: ConfigMap
metadata: {name: other}
data: {training_config.yaml: "a"}
---
kind: ConfigMap
metadata:
  name: mine
data:
  training_config.yaml: |
    training_config:
      TrainingArguments:
        max_steps: 1
        max_stepps: 2
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("tuning.config.training_config.TrainingArguments.max_stepps", 17),
        ("tuning.config.training_config.LoraConfig", 14),
        ("tuning.config", 3),
    ],
)
def test_a_setting_is_found_in_the_config_map_that_is_named(path: str, line: int) -> None:
    assert Lines(SETTINGS).of(0, path) == line
    elsewhere = SETTINGS.replace("config: mine", "config: theirs")
    assert Lines(elsewhere).of(0, path) == 3


def test_there_is_no_line_where_there_is_no_document() -> None:
    assert Lines(YAML).of(1, "kind") is None
    assert Lines("a: [").of(0, "a") is None


def test_a_text_is_read_once_for_all_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was read anew for each: one form with 600 Workspaces held ingest up for hours."""
    compose = Mock(wraps=yaml.compose_all)
    monkeypatch.setattr(yaml, "compose_all", compose)
    lines = Lines(SETTINGS)
    assert {lines.of(0, f"tuning.config.training_config.{name}") for name in "abc"} == {14}
    assert compose.call_count == 2


def test_settings_nested_without_an_end_are_found_at_their_block() -> None:
    nested = SETTINGS.partition("    training_config:\n")[0] + f"    x: {'[' * 100_000}\n"
    assert Lines(nested).of(0, "tuning.config.training_config.x") == 3
