"""Jobs that wait: their specs in a file store, their rows in a trainer's table, and an ingest that folds events."""

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench.specs import spec_of
from schemas import store_keys
from schemas.envelope import decode
from schemas.events import State
from schemas.jobs import JobRow, Position, fold
from schemas.records import CancelRecord, SpecRecord, as_json
from schemas.topics import EVENTS, short_type
from schemas.workspace import InputSpec, VolumeSource
from services.common.object_store import ObjectStore, open_store
from services.trainer.settings import TrainerSettings

TINY = Path(__file__).parents[5] / "examples" / "tiny"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
AT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Waiting:
    """A place for jobs. `on_row` is where rows go; `told` keeps each event's type and data by job."""

    settings: TrainerSettings
    store: ObjectStore
    on_row: Callable[[JobRow], None] = lambda _: None
    rows: dict[str, JobRow] = field(default_factory=dict)
    told: dict[str, dict[str, dict[str, object]]] = field(default_factory=dict)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def job(self, name: str, source: InputSpec, **config: object) -> str:
        """A job that waits from now on."""
        job_id = f"default.{name}.0123456789ab"
        sections = {"DatasetConfig": {"train_test_split": 1}, "LoraConfig": {"r": 4}, **config}
        spec = spec_of(source, **sections)
        record = SpecRecord(job_id=job_id, spec_digest="0", spec=spec, accepted_at=AT, traceparent=TRACE)
        await self.store.put(store_keys.spec(job_id), as_json(record))
        row = JobRow(job_id=job_id, state=State.PENDING, kaito_state="Pending", created_at=AT, updated_at=AT, version=1)
        self._take(row)
        return job_id

    def rows_of(self, name: str, count: int = 30) -> InputSpec:
        """A volume with this many rows."""
        folder = self.settings.volumes_dir / name
        folder.mkdir(parents=True)
        lines = [{"prompt": f"{name} {number}", "completion": f"answer {number}"} for number in range(count)]
        (folder / "rows.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        return InputSpec(kind="volume", volume=VolumeSource(claim_name=name))

    async def publish(
        self, topic: str, _key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]]
    ) -> None:
        """Take the place of Kafka and of ingest."""
        event = decode(value, headers)
        job_id = str(event.subject)
        if topic == EVENTS.name:
            self.told.setdefault(job_id, {})[short_type(event.type)] = event.data or {}
            row = fold(self.rows[job_id], event, Position(partition=0, offset=0))
            if row is not None:
                self._take(row)
        self.heard.set()

    async def until(self, condition: Callable[[], object]) -> None:
        """Look again after each event."""
        async with asyncio.timeout(120):
            while not condition():
                self.heard.clear()
                await self.heard.wait()

    async def cancel(self, job_id: str) -> None:
        """As ingest does it when somebody asks."""
        await self.store.put(store_keys.cancel(job_id), as_json(CancelRecord(requested_at=AT)))
        self.set_state(job_id, State.CANCELLING)

    def state(self, job_id: str) -> State:
        return self.rows[job_id].state

    def set_state(self, job_id: str, state: State) -> None:
        row = self.rows[job_id]
        self._take(row.model_copy(update={"state": state, "version": row.version + 1}))

    def _take(self, row: JobRow) -> None:
        self.rows[row.job_id] = row
        self.on_row(row)


def waiting(home: Path, **settings: object) -> Waiting:
    """An empty one, with the `tiny` model."""
    (home / "models").mkdir(parents=True)
    (home / "models" / "tiny").symlink_to(TINY)
    made = TrainerSettings.model_validate({"home": home, "cpu_threads": 2, "source_allow": ("127.0.0.1",), **settings})
    return Waiting(made, open_store(made))
