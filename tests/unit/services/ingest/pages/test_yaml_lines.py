"""On which line a problem stands."""

import pytest

from services.ingest.pages.yaml_lines import line_of

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
    assert line_of(YAML, 0, path) == line


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
    assert line_of(SETTINGS, 0, path) == line
    elsewhere = SETTINGS.replace("config: mine", "config: theirs")
    assert line_of(elsewhere, 0, path) == 3


def test_there_is_no_line_where_there_is_no_document() -> None:
    assert line_of(YAML, 1, "kind") is None
    assert line_of("a: [", 0, "a") is None
