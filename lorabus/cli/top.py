"""`lorabus top`: the whole system at a glance, live."""

import asyncio
import os
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lorabus.api import open_api
from lorabus.cli.output import json_line, stdout_console
from lorabus.faults import DONE
from lorabus.home import home_folder
from lorabus.interrupts import interruptible
from lorabus.overview import Snapshot, look
from lorabus.settings import CallerSettings, read_settings
from lorabus.telling import duration, printable
from schemas.events import State
from schemas.jobs import JobRow

SECONDS = 1.0
COLOURS = {State.SUCCEEDED: "green", State.FAILED: "red", State.REJECTED: "red", State.CANCELLED: "yellow"}


def top(*, once: bool, as_json: bool) -> int:
    """Live on a terminal; with `once`, or where stdout is none, one table. Raises `Unreachable` without ingest."""
    settings, home, console = read_settings(), home_folder(), stdout_console()
    if once or as_json or not (console.is_terminal and sys.stdin.isatty()):
        snapshot = asyncio.run(_look(settings, home))
        if as_json:
            json_line(snapshot.to_wire())
        else:
            console.width = console.width if console.is_terminal else 160
            console.print(page(snapshot))
        if snapshot.problem:
            raise snapshot.problem
        return DONE
    with interruptible(), suppress(KeyboardInterrupt):
        asyncio.run(_live(settings, home, console))
    return DONE


async def _look(settings: CallerSettings, home: Path) -> Snapshot:
    async with open_api(settings) as api:
        return await look(api, home)


async def _live(settings: CallerSettings, home: Path, console: Console) -> None:
    """Until `q`; what does not answer is shown as down and asked again."""
    leave = asyncio.Event()
    with _keys(leave), Live(console=console, screen=True, auto_refresh=False) as live:
        async with open_api(settings) as api:
            while not leave.is_set():
                live.update(Group(page(await look(api, home)), Text("q leaves", style="dim")), refresh=True)
                try:
                    await asyncio.wait_for(leave.wait(), SECONDS)
                except TimeoutError:
                    continue


@contextmanager
def _keys(leave: asyncio.Event) -> Iterator[None]:
    """Hear single keys as they are pressed; the terminal is as it was afterwards."""
    loop, number = asyncio.get_running_loop(), sys.stdin.fileno()

    def pressed() -> None:
        typed = os.read(number, 64)
        if not typed or b"q" in typed.lower():
            leave.set()

    before = termios.tcgetattr(number)
    tty.setcbreak(number)
    loop.add_reader(number, pressed)
    try:
        yield
    finally:
        loop.remove_reader(number)
        termios.tcsetattr(number, termios.TCSADRAIN, before)


def page(snapshot: Snapshot) -> RenderableType:
    """Everything, from the parts to the last ends. Pure."""
    blocks: list[RenderableType] = [_parts(snapshot), _queue(snapshot)]
    if snapshot.problem:
        blocks.append(Text(printable(str(snapshot.problem)), style="red"))
    if snapshot.running:
        blocks += [Text(), _running(snapshot.running)]
    if snapshot.ended:
        blocks += [Text(), _ended(snapshot.ended)]
    return Group(*blocks)


def _parts(snapshot: Snapshot) -> Text:
    text = Text()
    for part in snapshot.parts:
        text.append("● " if part.up else "○ ", style="green" if part.up else "red")
        text.append(f"{printable(part.name)}{'' if part.up else ' is down'}   ", style="" if part.up else "red")
    return text


def _queue(snapshot: Snapshot) -> Text:
    figures = snapshot.figures
    waiting, working = figures.jobs.get(State.PENDING, 0), len(snapshot.running)
    oldest = f", the oldest for {duration(figures.oldest_waiting_seconds)}" if waiting else ""
    behind = {topic: records for topic, records in figures.lag.items() if records}
    lag = ", ".join(f"{printable(topic)} {records:,}" for topic, records in behind.items()) or "none"
    text = Text(f"{waiting:,} waiting{oldest} · {working:,} running · lag {lag} · ")
    return text.append(f"{figures.dead_letters:,} dead letters", style="red" if figures.dead_letters else "")


def _running(rows: Sequence[JobRow]) -> Table:
    table = Table("running", "state", "attempt", "progress", "", "loss", "tokens/s", "ETA", box=None, pad_edge=False)
    for row in rows:
        table.add_row(printable(row.job_id), row.state.value, str(row.attempt), *_progress(row))
    return table


def _progress(row: JobRow) -> tuple[RenderableType, ...]:
    progress = row.progress
    if progress is None:
        return ("", "", "", "", "")
    return (
        ProgressBar(total=max(1, progress.total_steps), completed=progress.step, width=20),
        f"{progress.step:,}/{progress.total_steps:,}",
        "" if progress.loss is None else f"{progress.loss:.3f}",
        "" if progress.tokens_per_second is None else f"{progress.tokens_per_second:,.0f}",
        "" if progress.eta_seconds is None else duration(progress.eta_seconds),
    )


def _ended(rows: Sequence[JobRow]) -> Table:
    table = Table("ended", "state", "ago", "took", "", box=None, pad_edge=False)
    now = datetime.now(UTC)
    for row in rows:
        why = row.failure.reason if row.failure else row.image.reference if row.image else ""
        table.add_row(
            printable(row.job_id),
            Text(row.state.value, style=COLOURS.get(row.state, "")),
            duration((now - row.updated_at).total_seconds()),
            duration((row.updated_at - row.created_at).total_seconds()),
            printable(why),
        )
    return table
