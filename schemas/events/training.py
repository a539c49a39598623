"""The training itself. Losses are mean cross-entropy in nats per trained token."""

from pydantic import BaseModel, Field

from schemas.events.base import EventData, Figures, State, Wire


class TrainingStarted(EventData):
    """The model is loaded, the first step follows."""

    state: State = State.RUNNING
    total_steps: int
    dtype: str
    device: str
    trainable_parameters: int
    target_modules: int = Field(description="Number of modules that carry an adapter.")
    notes: list[str] = Field(default_factory=list, description="What was decided for this hardware, and why.")


class ProgressFields(BaseModel):
    """How a training goes, as its process tells it and as the event passes it on."""

    step: int
    total_steps: int
    epoch: float
    loss: float | None = None
    learning_rate: float | None = None
    grad_norm: float | None = None
    tokens: int = Field(description="Useful (trained) tokens since step 0, resumes included.")
    tokens_per_second: float | None = None
    eta_seconds: float | None = None
    memory_bytes: int | None = None
    stalled: bool = Field(default=False, description="The current step takes far longer than the steps before it.")
    notes: tuple[str, ...] = Field(default=(), description="What was changed on the way, and why.")


class TrainingProgress(ProgressFields, EventData):
    """At most once a second, at least every ten seconds when steps are slow."""

    state: State = State.RUNNING


class Sample(Wire):
    """One generated answer, for people."""

    prompt: str
    expected: str | None = None
    base: str | None = None
    adapter: str


class EvaluationFields(BaseModel):
    """An evaluation at `step`; the last one has the base model's figures beside the adapter's."""

    step: int
    total_steps: int
    loss: float
    perplexity: float | None = None
    token_accuracy: float | None = None
    base_loss: float | None = None
    base_perplexity: float | None = None
    base_token_accuracy: float | None = None
    samples: tuple[Sample, ...] = ()


class TrainingEvaluated(EvaluationFields, EventData):
    """An evaluation on the way or at the end; `loss` is null where the model has diverged until it is no number."""

    state: State = State.RUNNING
    loss: float | None  # type: ignore[assignment]


class TrainingResumed(EventData):
    """Training goes on from a checkpoint of an earlier attempt."""

    state: State = State.RUNNING
    step: int
    total_steps: int


class CheckpointSaved(EventData):
    """A checkpoint lies complete in the store."""

    state: State = State.RUNNING
    step: int
    digest: str
    bytes: int


class AdapterFile(Wire):
    """One file of the adapter in the store."""

    name: str
    digest: str
    size: int


class AdapterTrained(EventData):
    """The adapter lies complete in the store. `digest` is that of its manifest."""

    state: State = State.PUBLISHING
    digest: str
    files: list[AdapterFile]
    metrics: Figures = Field(default_factory=dict)
    trained_tokens: int
