"""What lies beside an adapter: few, evenly spaced losses, and the tokenizer's files."""

import itertools
import json
from pathlib import Path

import pytest

from services.trainer.training.beside import HISTORY, MOST_POINTS, Point, leave_beside, note


@pytest.mark.parametrize("first", [1, 41])
@pytest.mark.parametrize("steps", [1, MOST_POINTS, MOST_POINTS + 1, 5_000])
def test_points_are_few_and_evenly_spaced(steps: int, first: int) -> None:
    points: list[Point] = []
    for step in range(first, first + steps):
        note(points, step, 1.0 / step)
    assert min(steps, MOST_POINTS // 2) <= len(points) <= MOST_POINTS
    assert points[0] == (first, 1.0 / first)
    assert len({later[0] - earlier[0] for earlier, later in itertools.pairwise(points)}) <= 1


def test_an_interrupted_training_leaves_what_an_uninterrupted_one_does() -> None:
    """A checkpoint is a copy of the points; what went on after it is forgotten."""
    whole: list[Point] = []
    for step in range(1, 1_001):
        note(whole, step, float(step))
    resumed: list[Point] = []
    for step in range(1, 701):
        note(resumed, step, float(step))
        if step == 600:
            kept = list(resumed)
    for step in range(601, 1_001):
        note(kept, step, float(step))
    assert kept == whole


def test_files(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "adapter").mkdir()
    (tmp_path / "model" / "tokenizer.json").write_text("{}")
    (tmp_path / "model" / "model.safetensors").write_text("weights")
    names = leave_beside(tmp_path / "model", None, [(1, 2.00004)], (3, 1.5), tmp_path / "adapter")
    assert (
        sorted(path.name for path in (tmp_path / "adapter").iterdir()) == sorted(names) == ["tokenizer.json", HISTORY]
    )
    assert json.loads((tmp_path / "adapter" / HISTORY).read_text()) == {"losses": [[1, 2.0], [3, 1.5]]}


def test_the_template_that_was_learned_with_stands_in_the_place_of_the_models(tmp_path: Path) -> None:
    for folder in ("model", "adapter"):
        (tmp_path / folder).mkdir()
    (tmp_path / "model" / "chat_template.jinja").write_text("the model's")
    names = leave_beside(tmp_path / "model", "the request's", [], None, tmp_path / "adapter")
    assert sorted(names) == ["chat_template.jinja", HISTORY]
    assert (tmp_path / "adapter" / "chat_template.jinja").read_text() == "the request's"
