"""The trainer's view of `tuning.jobs.v1`: which jobs wait, and which claimed ones have gone silent. Pure.

Times are seconds of the trainer's own monotonic clock, handed in.
"""

import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from schemas.events import State
from schemas.jobs import JobRow

FIRST_FEW = 4
CLAIMED = frozenset({State.STAGING, State.RUNNING, State.CANCELLING})


@dataclass(slots=True)
class _Entry:
    row: JobRow
    changed_at: float
    not_before: float = 0.0


class JobTable:
    """Rows of jobs that are not at their end and need a trainer."""

    def __init__(self, choose: random.Random) -> None:
        """`choose` spreads trainers over the first few waiting jobs, so that they do not all race for one."""
        self._entries: dict[str, _Entry] = {}
        self._choose = choose

    def apply(self, row: JobRow, at: float) -> None:
        """Take in a row; an older version than the known one is ignored, one that needs no trainer is dropped."""
        known = self._entries.get(row.job_id)
        if known is not None and known.row.version > row.version:
            return
        if row.state.terminal or row.state is State.PUBLISHING:
            self._entries.pop(row.job_id, None)
            return
        self._entries[row.job_id] = _Entry(row, at, known.not_before if known else 0.0)

    def forget(self, job_id: str) -> None:
        """Drop a job that the store says has ended."""
        self._entries.pop(job_id, None)

    def defer(self, job_id: str, until: float) -> None:
        """Leave a job alone for a while."""
        if job_id in self._entries:
            self._entries[job_id].not_before = until

    def get(self, job_id: str) -> JobRow | None:
        """Give a job's row."""
        entry = self._entries.get(job_id)
        return entry.row if entry else None

    def waiting(self, at: float) -> list[JobRow]:
        """Give the jobs that may be claimed, oldest first."""
        return sorted(self._due(State.PENDING, at=at), key=lambda row: (row.created_at, row.job_id))

    def next_waiting(
        self, at: float, *, preferred: Collection[str] = (), without: Collection[str] = ()
    ) -> JobRow | None:
        """Pick a random one of the first few waiting jobs, one of the preferred if there is any among them."""
        first = [row for row in self.waiting(at)[:FIRST_FEW] if row.job_id not in without]
        best = [row for row in first if row.job_id in preferred] or first
        return self._choose.choice(best) if best else None

    def silent(self, at: float, for_seconds: float) -> list[JobRow]:
        """Give the claimed jobs whose row has not changed for a while: their heartbeats are worth a look."""
        return [
            entry.row
            for entry in self._entries.values()
            if entry.row.state in CLAIMED and at - entry.changed_at >= for_seconds and at >= entry.not_before
        ]

    def oldest_waiting_seconds(self, now: datetime) -> float:
        """Give the age of the oldest waiting job; 0 when none waits."""
        waiting = [entry.row.created_at for entry in self._entries.values() if entry.row.state is State.PENDING]
        return max(0.0, (now - min(waiting)).total_seconds()) if waiting else 0.0

    def counts(self) -> dict[str, int]:
        """Give the number of jobs by state."""
        counts: dict[str, int] = {}
        for entry in self._entries.values():
            counts[entry.row.state] = counts.get(entry.row.state, 0) + 1
        return counts

    def _due(self, state: State, at: float) -> Iterator[JobRow]:
        return (e.row for e in self._entries.values() if e.row.state is state and at >= e.not_before)
