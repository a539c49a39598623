"""A job's progress on a terminal: finished stages as lines, the running one as a bar below them."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from lorabus.cli.display import Bar, bar_after, only_moves
from lorabus.events import Event
from lorabus.telling import tell

COLOURS = {"job.failed": "red", "job.rejected": "red", "job.cancelled": "yellow", "job.succeeded": "green"}


class Live:
    """Shows events above a bar that moves with them."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bar = Bar("waiting")
        self._task = progress.add_task("waiting", total=None, figures="")

    def event(self, event: Event) -> None:
        self._bar = bar_after(self._bar, event)
        self._progress.update(
            self._task,
            description=self._bar.stage,
            completed=self._bar.done,
            total=self._bar.total,
            figures=self._bar.figures,
        )
        if not only_moves(event) and not event.ends:
            time = f"{event.time.astimezone():%H:%M:%S}"
            self._progress.console.print(Text.assemble((time, "dim"), "  ", (tell(event), COLOURS.get(event.type, ""))))

    def hint(self, text: str) -> None:
        self._progress.console.print(Text(text, style="yellow"))


@contextmanager
def open_live(console: Console) -> Iterator[Live]:
    """Draw the bar until the block ends, then remove it."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<10}", markup=False),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TextColumn("{task.fields[figures]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield Live(progress)
