"""A training's spans follow from what the child says, whatever the order of its words."""

import pytest

from services.common import telemetry
from services.trainer.children.messages import Evaluated, Progress, Started
from services.trainer.training_spans import WINDOW_SECONDS, TrainingSpans

Span = tuple[str, float, float, dict[str, object]]


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> list[Span]:
    made: list[Span] = []

    def record(name: str, _: str, began: float, told: dict[str, object] | None = None, *, ended: float) -> None:
        made.append((name, began, ended, told or {}))

    monkeypatch.setattr(telemetry, "record", record)
    return made


def progress(step: int) -> Progress:
    return Progress(step=step, total_steps=100, epoch=0.1, loss=1.0 / step, tokens=step * 10, tokens_per_second=5.0)


def started(resumed: int | None = None) -> Started:
    return Started(
        total_steps=100,
        dtype="float32",
        device="cpu",
        trainable_parameters=1,
        target_modules=1,
        resumed_from_step=resumed,
    )


def test_loading_windows_and_evaluation_follow_each_other_without_a_gap(spans: list[Span]) -> None:
    teller = TrainingSpans("00", 100.0)
    teller.on_message(started(), 103.0)
    teller.on_message(progress(5), 105.0)
    teller.on_message(progress(50), 103.0 + WINDOW_SECONDS)
    teller.on_message(progress(60), 140.0)
    teller.on_message(Evaluated(step=60, total_steps=100, loss=0.5), 143.0)
    teller.on_message(progress(70), 144.0)
    teller.finish(145.0)
    assert [(name, began, ended) for name, began, ended, _ in spans] == [
        ("model.load", 100.0, 103.0),
        ("training.window", 103.0, 133.0),
        ("training.window", 133.0, 140.0),
        ("training.evaluate", 140.0, 143.0),
        ("training.window", 143.0, 145.0),
    ]
    steps = [(told["lorabus.step.first"], told["lorabus.step.last"]) for name, *_, told in spans if "window" in name]
    assert steps == [(1, 50), (51, 60), (61, 70)]


def test_a_resumed_training_counts_from_its_checkpoint(spans: list[Span]) -> None:
    teller = TrainingSpans("00", 0.0)
    teller.on_message(started(40), 1.0)
    teller.on_message(progress(41), 2.0)
    teller.finish(2.0)
    assert spans[-1][3]["lorabus.step.first"] == 41


def test_a_training_without_a_step_has_no_window(spans: list[Span]) -> None:
    teller = TrainingSpans("00", 0.0)
    teller.finish(9.0)
    assert spans == []
