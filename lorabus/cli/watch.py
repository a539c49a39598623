"""`lorabus watch`: follow a job until it ends."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial

from lorabus.cli.display import Display, open_display
from lorabus.cli.output import result
from lorabus.client import LorabusClient, open_client
from lorabus.events import Event
from lorabus.faults import CANCELLED, DONE, FAILED
from lorabus.home import home_folder
from lorabus.settings import read_settings
from lorabus.telling import tell
from lorabus.waiting import why_waiting
from lorabus.watching import Place
from schemas.events import State

HINT_SECONDS = 8.0
EXIT_CODES = {State.SUCCEEDED: DONE, State.CANCELLED: CANCELLED}
Explain = Callable[[Event], Awaitable[str]]


def watch(job_id: str, *, from_start: bool, as_json: bool) -> int:
    """Exit code 0 succeeded, 1 failed or rejected, 4 cancelled."""
    return asyncio.run(_watch(job_id, from_start=from_start, as_json=as_json))


async def _watch(job_id: str, *, from_start: bool, as_json: bool) -> int:
    async with open_client(read_settings()) as client:
        return ending_code(await follow(client, job_id, from_start=from_start, as_json=as_json))


async def follow(
    client: LorabusClient, job_id: str, *, as_json: bool, from_start: bool = True, since: Place | None = None
) -> Event:
    """Show the job's events as they come; gives the one that ended it."""
    with open_display(as_json=as_json) as display:
        end = await _show(client, job_id, display, from_start=from_start, since=since)
    if not as_json:
        result(tell(end))
    return end


def ending_code(end: Event) -> int:
    """The exit code that stands for a job's end."""
    return EXIT_CODES.get(end.ends or State.FAILED, FAILED)


async def _show(
    client: LorabusClient, job_id: str, display: Display, *, from_start: bool, since: Place | None
) -> Event:
    waiting = Waiting(display, partial(why_waiting, home_folder(), client.api))
    async with waiting, aclosing(client.watch(job_id, since=since)) as events:
        async for event in events:
            waiting.saw(event)
            if from_start or event.ends or not event.replayed:
                display.event(event)
            if event.ends:
                return event
    raise AssertionError("watching goes on until the job ends")


class Waiting:
    """Explains, now and then, why a job that is pending does not move."""

    def __init__(self, display: Display, explain: Explain, *, after: float = HINT_SECONDS) -> None:
        self._display, self._explain, self._after = display, explain, after
        self._pending: Event | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def __aexit__(self, *_: object) -> None:
        if self._task:
            self._task.cancel()

    def saw(self, event: Event) -> None:
        """Note what the job does now."""
        if event.model is not None:
            self._pending = event if event.model.state is State.PENDING else None

    async def _run(self) -> None:
        told, pause = "", self._after
        while True:
            await asyncio.sleep(pause)
            if self._pending:
                reason = await self._explain(self._pending)
                if reason != told:
                    self._display.hint(reason)
                told, pause = reason, min(pause * 2, 60.0)
