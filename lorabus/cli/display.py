"""How a followed job is shown: JSON lines, a moving bar on a terminal, or plain lines anywhere else."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from lorabus.cli.output import json_line, note, stderr_console
from lorabus.events import Event
from lorabus.telling import figures, tell
from schemas.events.base import State
from schemas.events.dataset import DatasetStaging
from schemas.events.image import ImagePushing
from schemas.events.model import ModelStaging
from schemas.events.training import TrainingProgress, TrainingResumed, TrainingStarted

MOVING = (ModelStaging, DatasetStaging, TrainingProgress, ImagePushing)
PROGRESS_PAUSE = timedelta(seconds=2)
"""Without a terminal, progress is told no more often than this."""
STAGES = {
    State.PENDING: "waiting",
    State.STAGING: "staging",
    State.RUNNING: "training",
    State.PUBLISHING: "publishing",
    State.CANCELLING: "cancelling",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """What the bar shows. Without a `total` it only says that something goes on."""

    stage: str
    done: float = 0
    total: float | None = None
    figures: str = ""


def bar_after(bar: Bar, event: Event) -> Bar:
    """The bar as it stands after an event. Pure."""
    match event.model:
        case ModelStaging(bytes=done, total_bytes=total) | DatasetStaging(bytes=done, total_bytes=total):
            return Bar("staging", done, total)
        case TrainingStarted(total_steps=total):
            return Bar("training", 0, total)
        case TrainingResumed(step=done, total_steps=total):
            return Bar("training", done, total)
        case TrainingProgress(step=done, total_steps=total) as progress:
            return Bar("training", done, total, figures(progress))
        case ImagePushing(bytes=done, total_bytes=total):
            return Bar("publishing", done, total)
        case None:
            return bar
        case model:
            stage = STAGES.get(model.state, bar.stage)
            return bar if stage == bar.stage else Bar(stage)


def only_moves(event: Event) -> bool:
    """Whether an event moves the bar and says nothing more, so that it may be passed over for a later one."""
    return isinstance(event.model, MOVING) and not (isinstance(event.model, TrainingProgress) and event.model.notes)


class Display(Protocol):
    """Shows events and hints as they come."""

    def event(self, event: Event) -> None: ...

    def hint(self, text: str) -> None: ...


class JsonLines:
    """Every event as one flat object a line on stdout; hints on stderr."""

    def event(self, event: Event) -> None:
        json_line(event.flat())

    def hint(self, text: str) -> None:
        note(text)


class PlainLines:
    """A line an event on stderr, progress no more often than people can read."""

    def __init__(self) -> None:
        self._last_progress: datetime | None = None

    def event(self, event: Event) -> None:
        if only_moves(event):
            if self._last_progress and event.time - self._last_progress < PROGRESS_PAUSE:
                return
            self._last_progress = event.time
        if not event.ends:
            note(f"{event.time.astimezone():%H:%M:%S}  {tell(event)}")

    def hint(self, text: str) -> None:
        note(text)


@contextmanager
def open_display(*, as_json: bool) -> Iterator[Display]:
    """The display that fits where stderr goes."""
    if as_json:
        yield JsonLines()
        return
    console = stderr_console()
    if not console.is_terminal:
        yield PlainLines()
        return
    from lorabus.cli.live import open_live  # noqa: PLC0415 - only a terminal needs rich's live display.

    with open_live(console) as live:
        yield live
