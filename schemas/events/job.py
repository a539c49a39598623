"""The life of a job: accepted, queued, claimed, ended."""

from typing import Literal

from pydantic import Field, field_validator

from schemas.events.base import Count, EventData, Figures, State, Wire


class FieldProblem(Wire):
    """One reason for a refusal: the field's path, what is wrong, what would be right."""

    path: str
    message: str


class JobAccepted(EventData):
    """The request is valid, its spec is written, the job exists."""

    state: State = State.PENDING
    spec_digest: str
    namespace: str
    name: str
    preset: str
    method: str
    spec: dict[str, object] = Field(default_factory=dict, description="The spec with nothing left to guess.")
    warnings: list[str] = Field(default_factory=list)

    def to_wire(self) -> dict[str, object]:
        """Give plain JSON data. The spec is that already: looking at its every value takes longer than all the rest."""
        rest = self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"spec"})
        return {**rest, "spec": self.spec}


class JobQueued(EventData):
    """The job waits for a trainer: at first, or again after an attempt that ended without ending the job."""

    state: State = State.PENDING
    spec_digest: str
    reason: str | None = None
    message: str | None = None
    retry_after: float | None = Field(default=None, description="Seconds before the next attempt may start.")


class JobRejected(EventData):
    """The request cannot become a job; `problems` holds every reason."""

    state: State = State.REJECTED
    spec_digest: str | None = None
    namespace: str = "default"
    name: str = ""
    problems: list[FieldProblem]


class JobClaimed(EventData):
    """A trainer owns the job now, with `attempt` as its fencing token."""

    state: State = State.STAGING
    worker: str
    resumed_from_step: int | None = None


class JobCancelling(EventData):
    """Somebody asked to cancel; a running trainer stops as soon as it sees this in the store."""

    state: State = State.CANCELLING
    requested_by: str | None = None


class JobCancelled(EventData):
    """The job ended because somebody asked for it."""

    state: State = State.CANCELLED
    checkpoint_step: int | None = None


class Image(Wire):
    """Where the adapter was published. `size` is in bytes, all blobs and the manifest together."""

    reference: str
    digest: str
    size: Count


class JobSucceeded(EventData):
    """The adapter is published and can be pulled."""

    state: State = State.SUCCEEDED
    image: Image
    metrics: Figures = Field(default_factory=dict)


class JobFailed(EventData):
    """The job ended without an image. `reason` is a code of `schemas.failures`."""

    state: State = State.FAILED
    reason: str
    retryable: bool
    message: str
    help: str | None = Field(default=None, description="Where docs/errors.md explains the reason.")


class JobCancel(Wire):
    """The command to cancel a job (on the commands topic)."""

    job_id: str
    requested_by: str | None = None


class TuningRequest(Wire):
    """The request: a Workspace and the ConfigMaps it names; `rerun` makes a new job of an unchanged spec."""

    workspace: dict[str, object]
    config_maps: dict[str, dict[str, str]] = Field(default_factory=dict)
    rerun: str | None = Field(default=None, max_length=128)

    @field_validator("config_maps", mode="before")
    @classmethod
    def _none_is_absent(cls, value: object) -> object:
        """Go and Java write an absent map as null."""
        return {} if value is None else value


EndType = Literal["job.succeeded", "job.failed", "job.cancelled", "job.rejected"]
