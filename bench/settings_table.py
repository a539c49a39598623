"""The table of `bench/settings.py`, and where it stands in the documentation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).parents[1] / "docs" / "settings.md"
BEGIN, END = "<!-- bench.settings -->", "<!-- end of bench.settings -->"
_WIDEST = 20


@dataclass(frozen=True, slots=True)
class Line:
    """One training. Losses are in nats per trained token of rows that were not trained on."""

    name: str
    steps: int
    tokens: int
    cpu_seconds: float
    peak_bytes: int
    base_loss: float
    loss: float


def table(lines: Sequence[Line]) -> str:
    """Markdown; the first line is what the others are compared with."""
    first = lines[0]
    heads = ("", "steps", "CPU s", "times", "tokens per CPU s", "peak MiB", "loss", "")
    rows = [_cells(line, first) for line in lines]
    text = [heads, ("---", *["---:"] * 6, "---"), *rows]
    caption = (
        f"`{first.name}` trains on {first.tokens:,} tokens an epoch. Loss is that of rows it was not trained on; "
        f"without an adapter it is {first.base_loss:.2f}. The shorter the bar, the better the result."
    )
    return "\n".join(["| " + " | ".join(cells) + " |" for cells in text] + ["", caption])


def put_into(document: str, text: str) -> str:
    """The document with the text between its two marks; ValueError when a mark is missing."""
    before, _, rest = document.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"the document has no {BEGIN} before an {END}")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def _cells(line: Line, first: Line) -> tuple[str, ...]:
    epochs = max(1.0, line.steps / first.steps) if line.name.startswith("num_train_epochs") else 1.0
    return (
        f"`{line.name}`" if line is first else line.name,
        str(line.steps),
        f"{line.cpu_seconds:.1f}",
        f"{line.cpu_seconds / first.cpu_seconds:.2f}",
        f"{epochs * line.tokens / line.cpu_seconds:,.0f}",
        f"{line.peak_bytes / 2**20:.0f}",
        f"{line.loss:.3f}",
        "█" * max(1, round(_WIDEST * line.loss / line.base_loss)),
    )
