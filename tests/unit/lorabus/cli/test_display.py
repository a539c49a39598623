"""The bar follows the events; without a terminal progress is told now and then."""

from datetime import UTC, datetime, timedelta

import pytest

from lorabus.cli.display import Bar, PlainLines, bar_after, open_display
from lorabus.events import Event, event_of
from schemas.envelope import Envelope

HEAD: dict[str, object] = {"jobId": "default.a.0123456789ab", "attempt": 1, "sequence": 1}
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def event(type_: str, after: float = 0, **data: object) -> Event:
    time = NOON + timedelta(seconds=after)
    found = event_of(Envelope(f"lorabus.{type_}.v1", "x", {**HEAD, **data}, time=time), position=(0, 0))
    assert found is not None
    return found


def progress(step: int, after: float = 0) -> Event:
    return event(
        "training.progress", after, step=step, totalSteps=10, epoch=0.5, loss=2.0, tokens=5, tokensPerSecond=100
    )


def test_the_bar_goes_through_the_stages() -> None:
    bar = Bar("waiting")
    seen = []
    for step in (
        event("job.claimed", worker="w"),
        event("dataset.staging", bytes=5, totalBytes=10),
        event("training.started", totalSteps=10, dtype="f", device="c", trainableParameters=1, targetModules=1),
        progress(4),
        event("checkpoint.saved", step=4, digest="d", bytes=3),
        event("image.pushing", bytes=7, totalBytes=9),
        event("image.published", reference="r", digest="d", size=9),
    ):
        bar = bar_after(bar, step)
        seen.append(bar)

    training = Bar("training", 4, 10, "loss 2.000, 100 tokens/s")
    assert seen == [
        Bar("staging"),
        Bar("staging", 5, 10),
        Bar("training", 0, 10),
        training,
        training,
        Bar("publishing", 7, 9),
        Bar("publishing", 7, 9),
    ]


def test_a_resumed_training_does_not_start_at_nothing() -> None:
    assert bar_after(Bar("staging"), event("training.resumed", step=6, totalSteps=10)) == Bar("training", 6, 10)


def test_an_unknown_event_leaves_the_bar() -> None:
    bar = Bar("training", 4, 10)

    assert bar_after(bar, event("job.praised")) == bar


def test_plain_lines_tell_progress_at_most_every_two_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    display = PlainLines()
    for second in range(5):
        display.event(progress(second, after=second))

    told = capsys.readouterr().err
    assert [f"step {step}/10" in told for step in range(5)] == [True, False, True, False, True]


def test_a_note_is_told_however_soon_it_comes(capsys: pytest.CaptureFixture[str]) -> None:
    display = PlainLines()
    display.event(progress(1, after=0))
    said = ["goes on in halves of a batch"]
    display.event(event("training.progress", 0, step=2, totalSteps=10, epoch=0.5, tokens=5, notes=said))

    assert "step 2/10: \n  note: goes on in halves of a batch" in capsys.readouterr().err


def test_with_json_stdout_has_events_only(capsys: pytest.CaptureFixture[str]) -> None:
    with open_display(as_json=True) as display:
        display.event(progress(1))
        display.hint("no trainer takes it")

    out, err = capsys.readouterr()
    assert out.startswith('{"type": "training.progress", "time": "2026-01-02T12:00:00.000Z", "jobId": ')
    assert out.count("\n") == 1
    assert err == "no trainer takes it\n"
