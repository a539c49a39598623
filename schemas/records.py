"""What lies in the object store as JSON; the keys are in `schemas.store_keys`."""

from datetime import datetime
from functools import cached_property

from pydantic import BaseModel, Field

from schemas.events.base import Figures, State, Wire
from schemas.events.training import AdapterFile
from schemas.plain import Plain
from schemas.workspace import ResolvedSpec


def as_json(record: BaseModel) -> bytes:
    """Write a record as it lies in the store."""
    return record.model_dump_json(by_alias=True, exclude_none=True).encode()


class SpecRecord(Wire, Plain):
    """An accepted job: its spec with nothing left to guess, and the trace that it belongs to."""

    job_id: str
    spec_digest: str
    spec: ResolvedSpec
    accepted_at: datetime
    traceparent: str
    rerun: str | None = None
    warnings: list[str] = Field(default_factory=list)

    @cached_property
    def stored(self) -> bytes:
        """Its JSON, which is written in two places."""
        return as_json(self)


class AttemptRecord(Wire):
    """A claim. Its number is the fencing token."""

    job_id: str
    attempt: int
    worker: str
    claimed_at: datetime


class Heartbeat(Wire):
    """Proof that the owner lives: `beat` changes with every write, nobody compares clocks.

    An owner that gives the job back sets `released`; another trainer may then claim at once, after
    `retry_after` seconds. `reason` and `message` tell why an attempt ended without ending the job. One that has
    handed its adapter over sets `handed_over`: there is nothing left for another trainer to do.
    """

    worker: str
    beat: int
    released: bool = False
    retry_after: float = 0.0
    handed_over: bool = False
    reason: str | None = None
    message: str | None = None
    traceparent: str | None = Field(default=None, description="The claim's span: the next attempt links to it.")


class CancelRecord(Wire):
    """Somebody asked to cancel."""

    requested_by: str | None = None
    requested_at: datetime


class OutboxRecord(Wire):
    """An event as it is sent: enough to send the very same bytes again."""

    id: str
    type: str
    source: str
    time: datetime
    traceparent: str | None
    data: dict[str, object]


class ResultRecord(Wire):
    """How the job ended, with its terminal event, which whoever finds it unsent sends again."""

    job_id: str
    attempt: int
    state: State
    event: OutboxRecord


class AdapterOrigin(Wire):
    """The job and attempt that trained an adapter which another job publishes."""

    job_id: str
    attempt: int


class AdapterManifest(Wire):
    """The adapter's files, written after them. Names are relative to the adapter's folder, that of `origin` if set."""

    job_id: str
    attempt: int
    files: list[AdapterFile]
    metrics: Figures = Field(default_factory=dict)
    trained_tokens: int
    base_model: str
    base_revision: str
    dataset_digest: str
    library_versions: dict[str, str] = Field(default_factory=dict)
    created_at: datetime
    origin: AdapterOrigin | None = None

    @property
    def trained_by(self) -> AdapterOrigin:
        """Who trained it, and whose folder holds the files."""
        return self.origin or AdapterOrigin(job_id=self.job_id, attempt=self.attempt)
