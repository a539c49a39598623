"""Why does a job wait? Looks at its last event, the home's trainer and the queue, and says it in one line."""

from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from deploy.native.process import is_alive
from deploy.native.records import Running, last_lines, load_all, log_path
from lorabus.api import Api
from lorabus.events import Event
from lorabus.telling import printable
from schemas import waiting
from schemas.events import State
from schemas.events.job import JobQueued
from services.common.errors import LorabusError

PROBE = aiohttp.ClientTimeout(total=3)
COUNTED = 100
WORKING = (State.STAGING, State.RUNNING)


async def why_waiting(home: Path, api: Api, last: Event) -> str:
    """One line for somebody whose job has been waiting for some seconds since its last event."""
    if isinstance(last.model, JobQueued) and (pause := waiting.pause(last.model, last.time, datetime.now(UTC))):
        return printable(pause)
    trainer = load_all(home).get("trainer")
    if trainer is not None:
        trouble = await _trouble(home, trainer)
        if trouble:
            return trouble
    return await why_all_wait(api)


async def _trouble(home: Path, trainer: Running) -> str | None:
    """What is wrong with the home's own trainer, if anything."""
    if not is_alive(trainer):
        last = last_lines(log_path(home, "trainer"), 1)
        return f"no trainer takes it: the trainer of {home} has died ({last or 'its log is empty'}); run `lorabus up`"
    try:
        async with aiohttp.ClientSession(timeout=PROBE) as session, session.get(trainer.health) as response:
            answer = await response.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return f"the trainer at {trainer.address} does not answer; its log is {log_path(home, 'trainer')}"
    if response.status < 400 or not isinstance(answer, dict):
        return None
    missing = answer.get("missing")
    reasons = "; ".join(f"{part}: {why}" for part, why in missing.items()) if isinstance(missing, dict) else ""
    return f"the trainer is not ready yet: {reasons or 'it gives no reason'}"


async def why_all_wait(api: Api) -> str:
    """How many jobs wait and how many are being worked on, as ingest counts them."""
    try:
        return waiting.queue(await _count(api, State.PENDING), sum([await _count(api, state) for state in WORKING]))
    except LorabusError as error:
        return f"waits for a trainer ({error})"


async def _count(api: Api, state: State) -> int:
    count = 0
    async for _ in api.jobs(state=state.value):
        count += 1
        if count == COUNTED:
            break
    return count
