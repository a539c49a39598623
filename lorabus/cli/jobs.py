"""`lorabus jobs` and `lorabus show`: what ingest knows of the jobs."""

import asyncio
from typing import Any

from lorabus.api import open_api
from lorabus.cli.output import json_line, note, result, show_table
from lorabus.events import Event, event_from_flat
from lorabus.faults import DONE, BadUsage
from lorabus.settings import read_settings
from lorabus.telling import duration, printable, tell
from lorabus.waiting import why_all_wait
from schemas.events import State
from schemas.jobs import JobRow

COLOURS = {State.SUCCEEDED: "green", State.FAILED: "red", State.REJECTED: "red", State.RUNNING: "cyan"}


def jobs(state: str | None, *, as_json: bool) -> int:
    """One line a job, the newest first."""
    if state is not None and state not in set(State):
        raise BadUsage(f"--state must be one of {', '.join(State)}, not {state!r}")
    rows, why = asyncio.run(_rows(state))
    if as_json:
        for row in rows:
            json_line(row.to_wire())
    elif rows:
        _table(rows)
        if why:
            note(f"pending: {why}")
    else:
        note("no jobs" if state is None else f"no jobs in state {state}")
    return DONE


def show(job_id: str, *, as_json: bool) -> int:
    """The job's row and its events."""
    row, events = asyncio.run(_job(job_id))
    if as_json:
        json_line({**row.to_wire(), "events": events})
        return DONE
    for name, value in _facts(row).items():
        result(f"{name:<10} {printable(value)}")
    read = [event for flat in events if (event := event_from_flat(flat))]
    for line in map(_line, read):
        result(line)
    return DONE


async def _rows(state: str | None) -> tuple[list[JobRow], str | None]:
    """The jobs, and what those that are pending wait for."""
    async with open_api(read_settings()) as api:
        rows = [row async for row in api.jobs(state=state)]
        pending = any(row.state is State.PENDING for row in rows)
        return rows, await why_all_wait(api) if pending else None


async def _job(job_id: str) -> tuple[JobRow, list[dict[str, Any]]]:
    async with open_api(read_settings()) as api:
        return await api.job(job_id), await api.events(job_id)


def _line(event: Event) -> str:
    return f"{event.time.astimezone():%H:%M:%S}  {tell(event)}"


def _facts(row: JobRow) -> dict[str, str]:
    took = (row.updated_at - row.created_at).total_seconds()
    facts = {
        "job": row.job_id,
        "state": row.state.value,
        "preset": f"{row.preset or '-'} ({row.method or '-'})",
        "created": f"{row.created_at.astimezone():%Y-%m-%d %H:%M:%S}",
        "took": duration(took) if row.state.terminal else f"{duration(took)} until its last event",
    }
    if row.image:
        facts["image"] = f"{row.image.reference}@{row.image.digest}"
    if row.failure:
        facts["failure"] = f"{row.failure.reason}: {row.failure.message}"
    return facts


def _table(rows: list[JobRow]) -> None:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table("job", "state", "preset", "method", "progress", "created", box=None, pad_edge=False)
    for row in rows:
        texts = (
            row.preset or "-",
            row.method or "-",
            _progress(row),
            f"{row.created_at.astimezone():%Y-%m-%d %H:%M:%S}",
        )
        state = Text(row.state.value, style=COLOURS.get(row.state, ""))
        table.add_row(printable(row.job_id), state, *map(printable, texts))
    show_table(table)


def _progress(row: JobRow) -> str:
    if row.failure:
        return row.failure.reason
    if row.progress is None:
        return ""
    loss = f", loss {row.progress.loss:.3f}" if row.progress.loss is not None else ""
    return f"{row.progress.step}/{row.progress.total_steps}{loss}"
