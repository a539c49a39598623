"""What travels beside the adapter: the tokenizer that it learned with, and how its loss fell.

Nothing here depends on the machine or the clock: the same training leaves the same bytes.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

HISTORY = "training_history.json"
TEMPLATE = "chat_template.jinja"
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    TEMPLATE,
)
MOST_POINTS = 256
Point = tuple[int, float]


def note(points: list[Point], step: int, loss: float) -> None:
    """Add a step, so that at most `MOST_POINTS` stay, evenly spaced: when they are full, every second one goes."""
    stride = points[1][0] - points[0][0] if len(points) > 1 else 1
    if points and (step - points[0][0]) % stride:
        return
    points.append((step, loss))
    if len(points) > MOST_POINTS:
        points[:] = points[::2]


def leave_beside(
    model_folder: Path, template: str | None, points: Sequence[Point], last: Point | None, folder: Path
) -> tuple[str, ...]:
    """Write it into the adapter's folder and give the names.

    `template` is the request's own, in place of the model's. `last` is the last step, among the points or not.
    """
    found = [name for name in TOKENIZER_FILES if (model_folder / name).is_file()]
    for name in found:
        shutil.copyfile(model_folder / name, folder / name)
    if template is not None:
        (folder / TEMPLATE).write_text(template, encoding="utf-8")
        found = list(dict.fromkeys([*found, TEMPLATE]))
    losses = [*points, *([last] if last and last not in points else [])]
    history = {"losses": [[step, round(loss, 4)] for step, loss in losses]}
    (folder / HISTORY).write_text(json.dumps(history) + "\n")
    return (*found, HISTORY)
