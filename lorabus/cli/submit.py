"""`lorabus submit`: ask for jobs, wait for the answers, and with `--wait` for the ends."""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lorabus.cli.output import json_line, note, result
from lorabus.cli.watch import ending_code, follow
from lorabus.client import open_client
from lorabus.events import Event
from lorabus.faults import CANCELLED, DONE, FAILED
from lorabus.requests import Request, read_requests
from lorabus.settings import CallerSettings, read_settings
from lorabus.telling import printable, tell
from services.common import telemetry

CLOCKS_APART = timedelta(seconds=5)
"""An answer that says it is older than the request may only come from a clock that is behind."""


def submit(file: Path, *, wait: bool, rerun: bool, patience: float, as_json: bool) -> int:
    """Exit code 1 when a request was rejected; with `wait` the worst end counts."""
    nonce = secrets.token_hex(8) if rerun else None
    requests, settings = read_requests(file, rerun=nonce), read_settings()
    telemetry.configure("cli")
    try:
        return asyncio.run(_submit(requests, settings, wait=wait, patience=patience, as_json=as_json))
    finally:
        telemetry.shutdown()


async def _submit(
    requests: list[Request], settings: CallerSettings, *, wait: bool, patience: float, as_json: bool
) -> int:
    async with open_client(settings) as client:
        asked = datetime.now(UTC)
        answers = [await client.submit(request, patience=patience) for request in requests]
        for request, answer in zip(requests, answers, strict=True):
            _tell(request, answer, followed=wait, as_json=as_json)
            if known := known_before(answer, asked):
                note(known)
        codes = {FAILED for answer in answers if answer.ends}
        for answer in answers:
            if wait and not answer.ends:
                end = await follow(client, answer.job_id, as_json=as_json, since=answer.position)
                codes.add(ending_code(end))
    return next((code for code in (FAILED, CANCELLED) if code in codes), DONE)


def known_before(answer: Event, asked: datetime) -> str | None:
    """What there is to say of a request that was accepted before, so that nothing new will happen."""
    if answer.ends or answer.time >= asked - CLOCKS_APART:
        return None
    since = f"{answer.time.astimezone():%Y-%m-%d %H:%M:%S}"
    return (
        f"{printable(answer.job_id)}: known since {since}, and the same spec is done once; "
        "`lorabus show` tells how it went, --rerun makes a new job"
    )


def _tell(request: Request, answer: Event, *, followed: bool, as_json: bool) -> None:
    """The answer; of a job that is followed the events tell it again."""
    if as_json:
        if answer.ends or not followed:
            json_line(answer.flat())
    elif answer.ends:
        note(f"{printable(request.name)}: {tell(answer)}")
    else:
        result(printable(answer.job_id))
        if not followed:
            note(tell(answer))
