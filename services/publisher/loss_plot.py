"""The course of the loss as a small SVG: the same figures give the same bytes. Pure."""

from collections.abc import Iterable, Sequence
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

Point = tuple[int, float]
HISTORY = "training_history.json"
"""What the trainer leaves: `{"losses": [[step, loss], ...]}`."""
MAX_BYTES = 256 * 1024
_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 640, 320, 56, 20, 16, 40
_LINES = 4
_MOST = 1e9


class History(BaseModel):
    """How the loss went, by step."""

    losses: list[tuple[int, Annotated[float, Field(ge=-_MOST, le=_MOST)]]] = Field(max_length=10_000)


def read_history(raw: bytes) -> tuple[Point, ...]:
    """The points in order of their steps; none when the file is not what a trainer writes."""
    try:
        return tuple(sorted(History.model_validate_json(raw).losses))
    except ValidationError:
        return ()


def loss_plot(points: Sequence[Point], levels: Iterable[tuple[str, float]] = ()) -> bytes:
    """Draw the training loss over the steps; `levels` are figures without a step (name and loss), as dashed lines."""
    named = [(name, value) for name, value in levels if abs(value) <= _MOST]
    frame = _Frame(points, [value for _, value in named])
    size = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11" role="img">',
        "<title>Training loss by step</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        *(_grid(frame, number) for number in range(_LINES + 1)),
        *(_level(frame, name, value) for name, value in named),
        f'<polyline fill="none" stroke="#1f6feb" stroke-width="1.5" points="{frame.line(points)}"/>',
        _text(_LEFT, _HEIGHT - 14, f"step {frame.first}", "start"),
        _text(_WIDTH - _RIGHT, _HEIGHT - 14, f"step {frame.last}", "end"),
        "</svg>",
    ]
    return ("\n".join(parts) + "\n").encode()


class _Frame:
    """From steps and losses to places on the picture."""

    def __init__(self, points: Sequence[Point], levels: Sequence[float]) -> None:
        losses = [*(loss for _, loss in points), *levels]
        self.low, self.high = min([0.0, *losses]), max([1e-4, *losses])
        self.first, self.last = points[0][0], points[-1][0]

    def x(self, step: int) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (step - self.first) / max(1, self.last - self.first)

    def y(self, loss: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (self.high - loss) / (self.high - self.low)

    def line(self, points: Sequence[Point]) -> str:
        return " ".join(f"{self.x(step):.1f},{self.y(loss):.1f}" for step, loss in points)


def _grid(frame: _Frame, number: int) -> str:
    loss = frame.low + (frame.high - frame.low) * number / _LINES
    return _across(frame.y(loss), "#ddd", "") + _text(_LEFT - 6, frame.y(loss) + 4, f"{loss:.2f}", "end")


def _level(frame: _Frame, name: str, loss: float) -> str:
    y = frame.y(loss)
    return _across(y, "#cf222e", ' stroke-dasharray="5 4"') + _text(_WIDTH - _RIGHT, y - 4, f"{name} {loss:.2f}", "end")


def _across(y: float, colour: str, dashes: str) -> str:
    return f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}" stroke="{colour}"{dashes}/>'


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#333">{words}</text>'
