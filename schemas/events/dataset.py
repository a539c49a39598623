"""The dataset on its way into the object store and through its checks. Sizes are bytes."""

from pydantic import Field

from schemas.events.base import EventData, State, Wire


class StagedFile(Wire):
    """One file of the dataset in the store."""

    name: str
    digest: str
    size: int


class DatasetStaging(EventData):
    """Bytes copied so far; at most twice a second. `totalBytes` is absent while no source has said its length."""

    state: State = State.STAGING
    bytes: int
    total_bytes: int | None = None


class DatasetStaged(EventData):
    """Every file lies verified in the store. `reused` is true when nothing had to be transferred."""

    state: State = State.STAGING
    digest: str
    files: list[StagedFile]
    reused: bool


class RowProblem(Wire):
    """One bad row: 1-based `line` of `file`, JSON `pointer` into the row, a stable `code`, the words."""

    file: str
    line: int
    pointer: str = ""
    code: str
    message: str


class LengthHistogram(Wire):
    """How many rows are how long, in tokens: row lengths from `edges[i]` to below `edges[i + 1]` are in `counts[i]`."""

    edges: list[int] = Field(max_length=21)
    counts: list[int] = Field(max_length=20)


class TokenCounts(Wire):
    """Tokens of the rows that remain: all, those that are trained on, and per-row percentiles."""

    total: int
    trained: int
    p50: int
    p95: int
    max: int
    lengths: LengthHistogram | None = None


class PreviewRow(Wire):
    """A row as the model sees it: stretches of text that are trained on (true) or only read (false), in turn."""

    stretches: list[tuple[bool, str]]


class DatasetChecked(EventData):
    """What the rows are, told before a model is loaded. `problems` is cut at a limit, `problemCount` is not.

    When the rows cannot be trained on, only the problems are told, and `job.failed` follows.
    """

    state: State = State.STAGING
    rows: int = 0
    eval_rows: int = 0
    format: str = "unknown"
    problems: list[RowProblem] = Field(default_factory=list)
    problem_count: int = 0
    tokens: TokenCounts | None = None
    truncated: int = 0
    dropped: int = 0
    duplicates: int = 0
    overlap: int = 0
    preview: list[PreviewRow] = Field(default_factory=list)
    planned_steps: int = 0
    memory_bytes: tuple[int, int] | None = Field(default=None, description="Low and high estimate.")
    time_seconds: float | None = None
    reused: bool = False
