"""What the training child tells its parent: one JSON object a line over a pipe, never pickle.

The child has parsed hostile data, so the parent checks each line against these models and cuts lines at `MAX_LINE`.
Losses are mean cross-entropy in nats per trained token; sizes are bytes.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from schemas.events.training import EvaluationFields, ProgressFields, Sample
from schemas.failures import Reason

MAX_LINE = 1 << 20


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="null")


class Started(_Message):
    """The model is loaded, the first step follows. `target_modules` counts the modules that carry an adapter.

    `lacking` is what of the child's confinement the platform did not allow.
    """

    kind: Literal["started"] = "started"
    total_steps: int
    dtype: str
    device: str
    trainable_parameters: int
    target_modules: int
    resumed_from_step: int | None = None
    notes: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()


class Progress(ProgressFields, _Message):
    """How it goes: at most once a second, at least every ten seconds."""

    kind: Literal["progress"] = "progress"


class Evaluated(EvaluationFields, _Message):
    """An evaluation on the way or at the end."""

    kind: Literal["evaluated"] = "evaluated"


class CheckpointReady(_Message):
    """A complete checkpoint lies in `folder`: the parent uploads it, then removes the folder."""

    kind: Literal["checkpoint"] = "checkpoint"
    step: int
    folder: str


class Finished(_Message):
    """The adapter is written; `files` are relative to the plan's output folder."""

    kind: Literal["finished"] = "finished"
    files: tuple[str, ...]
    metrics: dict[str, float] = Field(default_factory=dict)
    trained_tokens: int
    samples: tuple[Sample, ...] = ()
    libraries: dict[str, str] = Field(default_factory=dict)


class Stopped(_Message):
    """Asked to stop, the child did: `checkpoint` is the step of the last complete checkpoint, if there is one."""

    kind: Literal["stopped"] = "stopped"
    step: int
    checkpoint: int | None = None


class Failed(_Message):
    """The child cannot go on; the parent raises it as a UserError or WorldError."""

    kind: Literal["failed"] = "failed"
    reason: Reason
    message: str


ChildMessage = Started | Progress | Evaluated | CheckpointReady | Finished | Stopped | Failed
_ADAPTER: TypeAdapter[ChildMessage] = TypeAdapter(Annotated[ChildMessage, Field(discriminator="kind")])


def encode(message: ChildMessage) -> bytes:
    """One line with its newline."""
    return message.model_dump_json(exclude_none=True).encode() + b"\n"


def decode(line: bytes) -> ChildMessage:
    """Raise ValueError on anything that is no message."""
    return _ADAPTER.validate_json(line)
