"""What every event's data starts with, and the states of a job."""

import math
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, computed_field
from pydantic.alias_generators import to_camel


class Wire(BaseModel):
    """A frozen record with camelCase names on the wire; readers ignore what they do not know (v1 only grows)."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, ser_json_inf_nan="null"
    )

    def to_wire(self) -> dict[str, object]:
        """Give plain JSON data; fields that are None are left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


Count = Annotated[int, Field(ge=0, lt=2**63)]
"""As large as every writer of JSON takes it; "100000000000000000000" as text would be read as a number, too."""


def _without_nulls(values: object) -> object:
    return {name: value for name, value in values.items() if value is not None} if isinstance(values, dict) else values


def _finite(values: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if math.isfinite(value)}


Figures = Annotated[dict[str, float], BeforeValidator(_without_nulls), AfterValidator(_finite)]
"""Figures by name. JSON has no word for what is no number or too large for one: such a figure is left out."""


class State(StrEnum):
    """A job's state."""

    PENDING = "pending"
    STAGING = "staging"
    RUNNING = "running"
    PUBLISHING = "publishing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    REJECTED = "rejected"

    @property
    def terminal(self) -> bool:
        """True when nothing more happens to the job."""
        return self in _TERMINAL

    @property
    def kaito(self) -> str:
        """KAITO's word for it (`status.state` of a Workspace)."""
        return _KAITO.get(self, "Running")


_TERMINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.REJECTED})
_KAITO = {
    State.PENDING: "Pending",
    State.SUCCEEDED: "Succeeded",
    State.FAILED: "Failed",
    State.CANCELLED: "Failed",
    State.REJECTED: "Failed",
}


class EventData(Wire):
    """The head of every event on the status topic.

    `sequence` counts from 1 without gaps per job, attempt and source. `attempt` is the trainer's fencing token;
    0 for what happens outside any attempt (ingest's events).
    """

    job_id: str
    attempt: Count
    sequence: Count = Field(ge=1)
    state: State
    trace_id: str | None = Field(default=None, description="W3C trace id (32 hex digits) of the job's one trace.")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def kaito_state(self) -> str:
        """The state in KAITO's words."""
        return self.state.kaito
