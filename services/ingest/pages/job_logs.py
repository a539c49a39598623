"""What the services of this machine have logged about a job: the lines with its id or its trace's."""

from collections.abc import Iterator
from pathlib import Path

MOST_BYTES = 8 * 1024 * 1024
MOST_LINES = 5000


def lines_about(folder: Path, *marks: str) -> bytes:
    """The newest lines with one of the marks, service after service; each file is read from its end, to a limit."""
    wanted = [mark.encode() for mark in marks if mark]
    found = [line for file in sorted(folder.glob("*.log")) for line in _tail(file) if any(w in line for w in wanted)]
    return b"".join(line + b"\n" for line in found[-MOST_LINES:])


def _tail(file: Path) -> Iterator[bytes]:
    with file.open("rb") as log:
        skipped = max(0, file.stat().st_size - MOST_BYTES)
        log.seek(skipped)
        lines = log.read(MOST_BYTES).splitlines()
    # The first line may be the end of one that began before.
    yield from lines[1:] if skipped else lines
