"""The whole system at one moment: parts, queue, running jobs, ends, dead letters, lag.

Jobs are asked of ingest; figures are read from the `/metrics` of every service that the home knows.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from deploy.native.stack import Supervisor
from lorabus.api import Api
from schemas.events import State
from schemas.jobs import JobRow
from services.common.errors import Unreachable

RUNNING = (State.STAGING, State.RUNNING, State.PUBLISHING, State.CANCELLING)
ENDED = tuple(state for state in State if state.terminal)
SHOWN_RUNNING, SHOWN_ENDED = 50, 8
SERVICES = ("ingest", "trainer", "publisher")
_PATIENCE = aiohttp.ClientTimeout(total=4, connect=1)


@dataclass(frozen=True, slots=True)
class PartState:
    """One part of the system."""

    name: str
    address: str
    up: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """What the services measure, added up."""

    jobs: Mapping[str, int] = field(default_factory=dict)
    oldest_waiting_seconds: float = 0.0
    dead_letters: int = 0
    lag: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`problem` says why the jobs are not known."""

    parts: Sequence[PartState]
    figures: Figures = Figures()
    running: Sequence[JobRow] = ()
    ended: Sequence[JobRow] = ()
    problem: Unreachable | None = None

    def to_wire(self) -> dict[str, object]:
        """As `--json` prints it."""
        return {
            "parts": [{"name": part.name, "address": part.address, "up": part.up} for part in self.parts],
            "jobs": dict(self.figures.jobs),
            "oldestWaitingSeconds": self.figures.oldest_waiting_seconds,
            "deadLetters": self.figures.dead_letters,
            "lag": dict(self.figures.lag),
            "running": [row.to_wire() for row in self.running],
            "ended": [row.to_wire() for row in self.ended],
        }


async def look(api: Api, home: Path) -> Snapshot:
    """Ask everybody at once; who does not answer is down."""
    parts = await asyncio.to_thread(_parts, home)
    texts = asyncio.gather(*(_metrics(part) for part in parts if part.name in SERVICES and part.name != "ingest"))
    try:
        running, ended, own = await asyncio.gather(
            api.newest(RUNNING, SHOWN_RUNNING), api.newest(ENDED, SHOWN_ENDED), api.metrics()
        )
    except Unreachable as problem:
        return Snapshot(_with_ingest(parts, api.address, up=False), figures(await texts), problem=problem)
    return Snapshot(_with_ingest(parts, api.address, up=True), figures([own, *await texts]), running, ended)


def figures(texts: Iterable[str]) -> Figures:
    """Read what the services serve at `/metrics`. Pure."""
    jobs: dict[str, int] = {}
    lag: dict[str, int] = {}
    oldest, dead = 0.0, 0
    for text in texts:
        for sample in (sample for family in text_string_to_metric_families(text) for sample in family.samples):
            match sample.name:
                case "lorabus_jobs":
                    jobs[sample.labels["state"]] = int(sample.value)
                case "lorabus_jobs_oldest_age_seconds" if sample.labels["state"] == State.PENDING:
                    oldest = sample.value
                case "lorabus_dead_letters_total":
                    dead += int(sample.value)
                case "lorabus_consumer_lag_records":
                    topic = sample.labels["topic"]
                    lag[topic] = lag.get(topic, 0) + int(sample.value)
    return Figures(jobs, oldest, dead, lag)


def _parts(home: Path) -> list[PartState]:
    return [
        PartState(str(row["name"]), str(row["address"]), bool(row["pid"] and row["healthy"]))
        for row in Supervisor(home).status()
    ]


def _with_ingest(parts: Sequence[PartState], address: str, *, up: bool) -> list[PartState]:
    """Ingest as the settings name it, whether or not it belongs to the home."""
    here = [part for part in parts if part.name != "ingest"]
    return [*here, PartState("ingest", address, up)]


async def _metrics(part: PartState) -> str:
    try:
        async with (
            aiohttp.ClientSession(timeout=_PATIENCE) as session,
            session.get(f"http://{part.address}/metrics") as answer,
        ):
            return await answer.text() if answer.status == 200 else ""
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return ""
