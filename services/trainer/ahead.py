"""Prepares the data of the job that is likely to be next while the current one trains, in a process of its own.

Nothing is claimed: what is prepared lies in the store under its content, where whoever claims the job finds it. At most
one waiting job is ahead at a time, and nothing that happens here is anybody's verdict.
"""

import asyncio
import json
import os
import shutil
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import structlog

from services.trainer.queue import JobTable
from services.trainer.settings import TrainerSettings
from services.trainer.stage.progress import OnProgress

log = structlog.get_logger()
LOOK_SECONDS = 1.0
AFTER_TERM = 3.0


@dataclass(slots=True)
class _Preparation:
    """One job's data on its way. `staged` is set once the dataset is in the store, and when the process is gone."""

    job_id: str
    process: Process
    staged: asyncio.Event = field(default_factory=asyncio.Event)
    on_progress: OnProgress | None = None
    failed: str | None = None

    async def follow(self) -> bool:
        """Listen to the end; True when everything was prepared."""
        assert self.process.stdout is not None  # noqa: S101 - it was started with a pipe.
        try:
            async for line in self.process.stdout:
                await self._heard(json.loads(line))
            return await self.process.wait() == 0 and self.failed is None
        finally:
            self.staged.set()

    async def _heard(self, told: dict[str, object]) -> None:
        if "staged" in told:
            self.staged.set()
        elif "failed" in told:
            self.failed = str(told["failed"])
        elif self.on_progress is not None:
            done, total = told["bytes"], told["total_bytes"]
            await self.on_progress(int(str(done)), None if total is None else int(str(total)))

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()


class Ahead:
    """What this trainer prepares for later."""

    def __init__(self, settings: TrainerSettings, table: JobTable) -> None:
        """`table` tells which jobs wait."""
        self._settings, self._table = settings, table
        self._scratch = settings.scratch_folder / f"ahead.{settings.worker}"
        self._current: _Preparation | None = None
        self._following: asyncio.Task[None] | None = None
        self.prepared: set[str] = set()
        self.tried: set[str] = set()

    @property
    def begun(self) -> set[str]:
        """Jobs whose data is in the store, or on its way."""
        return self.prepared | ({self._current.job_id} if self._current else set())

    @property
    def pid(self) -> int | None:
        """The preparing process, while there is one."""
        return self._current.process.pid if self._current else None

    @asynccontextmanager
    async def beside(self) -> AsyncIterator[None]:
        """Prepare while the block runs. What is under way at its end goes on until `settle` or `close`."""
        looking = asyncio.create_task(self._look()) if self._settings.prepare_ahead else None
        try:
            yield
        finally:
            if looking is not None:
                looking.cancel()
                await asyncio.gather(looking, return_exceptions=True)

    async def settle(self, job_id: str, on_progress: OnProgress) -> None:
        """Make way for a job that was claimed: its own bytes that are on their way may arrive first.

        Its rows are then checked by the claimer, on all cores.
        """
        current = self._current
        if current is not None and current.job_id == job_id:
            current.on_progress = on_progress
            await current.staged.wait()
        await self.close()

    async def close(self) -> None:
        """End what is under way."""
        current = self._current
        if current is not None and self._following is not None:
            with suppress(ProcessLookupError):
                current.process.terminate()
            await asyncio.wait({self._following}, timeout=AFTER_TERM)
            current.kill()
            await asyncio.wait({self._following})

    async def _look(self) -> None:
        while True:
            if self._current is None:
                await self._begin()
            await asyncio.sleep(LOOK_SECONDS)

    async def _begin(self) -> None:
        self._forget()
        if any(row.job_id in self.prepared for row in self._table.waiting(monotonic())):
            return
        row = self._table.next_waiting(monotonic(), without=self.tried)
        if row is None:
            return
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "services.trainer.prepare", str(os.getpid())),
                stdin=PIPE,
                stdout=PIPE,
                start_new_session=True,
            )
        except OSError as error:
            log.warning("nothing is prepared ahead", job_id=row.job_id, error=str(error))
            self.tried.add(row.job_id)
            return
        self.tried.add(row.job_id)
        self._current = _Preparation(row.job_id, process)
        self._following = asyncio.create_task(self._follow(self._current))

    async def _follow(self, current: _Preparation) -> None:
        try:
            await _ask(current.process, current.job_id, self._scratch, self._settings)
            done = await current.follow()
            if done:
                self.prepared.add(current.job_id)
            log.info("prepared ahead" if done else "not prepared ahead", job_id=current.job_id, why=current.failed)
        except (OSError, ValueError, KeyError) as error:
            log.warning("nothing is prepared ahead", job_id=current.job_id, error=str(error))
        finally:
            current.kill()
            await asyncio.to_thread(shutil.rmtree, self._scratch, ignore_errors=True)
            current.staged.set()
            self._current = None

    def _forget(self) -> None:
        """Jobs that need no trainer any more."""
        for known in (self.prepared, self.tried):
            known.difference_update([job_id for job_id in known if self._table.get(job_id) is None])


async def _ask(process: Process, job_id: str, scratch: Path, settings: TrainerSettings) -> None:
    assert process.stdin is not None  # noqa: S101 - it was started with a pipe.
    values = {**settings.model_dump(mode="json", exclude={"s3_secret_key"}), "s3_secret_key": settings.s3_secret()}
    process.stdin.write(json.dumps({"job_id": job_id, "scratch": str(scratch), "settings": values}).encode())
    await process.stdin.drain()
    process.stdin.close()
