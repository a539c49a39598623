"""What the checking process is told and what it answers: plain JSON, for it reads hostile files and may die of them."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.config import DatasetConfig
from schemas.events.dataset import PreviewRow, RowProblem, TokenCounts
from schemas.failures import Reason

OutFile = Literal["train.arrow", "eval.arrow", "packs.arrow"]
"""What the checking process may have written: its word on names is not taken."""
MEMORY_BYTES = 16 << 30
"""What the checking process may take."""

_NOT_TOLD = frozenset({"files", "packs", "train_tokens", "train_trained_tokens"})


class _Plain(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataFile(_Plain):
    """A local file and what messages call it."""

    name: str
    path: Path


class Rules(_Plain):
    """Everything beside bytes and tokenizer that decides what becomes of rows; part of the cache's key."""

    dataset: DatasetConfig
    chat_template: str | None = None
    max_length: int
    packing: bool = False
    packing_strategy: str = "bfd"
    assistant_only_loss: bool = False
    completion_only_loss: bool | None = None
    text_field: str = "text"
    eos_token: str | None = None
    bad_share: float = 0.05
    problem_limit: int = 100


class CheckRequest(_Plain):
    """Check these files and write tokens into `out`."""

    files: list[DataFile]
    model_folder: Path
    rules: Rules
    out: Path


class CheckResult(_Plain):
    """The facts of a dataset that can be trained on."""

    format: str
    rows: int
    eval_rows: int
    problems: list[RowProblem]
    problem_count: int
    tokens: TokenCounts
    train_tokens: int
    train_trained_tokens: int
    truncated: int
    dropped: int
    duplicates: int
    overlap: int
    packs: int | None = None
    preview: list[PreviewRow] = Field(default_factory=list)
    files: dict[OutFile, int] = Field(default_factory=dict, description="What was written, with sizes.")

    def facts(self) -> dict[str, object]:
        """Fields of `DatasetChecked`."""
        return {name: getattr(self, name) for name in type(self).model_fields if name not in _NOT_TOLD}


class CheckFailed(_Plain):
    """The dataset cannot be trained on; `rows` and `tokens` are of the rows that could have been kept."""

    reason: Reason
    message: str
    format: str = ""
    rows: int = 0
    problems: list[RowProblem] = Field(default_factory=list)
    problem_count: int = 0
    tokens: TokenCounts = TokenCounts(total=0, trained=0, p50=0, p95=0, max=0)

    def facts(self) -> dict[str, object]:
        """Fields of `DatasetChecked`."""
        told = {name: getattr(self, name) for name in type(self).model_fields if name not in ("reason", "message")}
        return {**told, "dropped": self.problem_count, "planned_steps": 0}


class Answer(_Plain):
    """Exactly one is set."""

    result: CheckResult | None = None
    failed: CheckFailed | None = None
