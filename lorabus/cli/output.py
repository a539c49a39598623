"""Where words go: results on stdout, everything else on stderr, and with `--json` only JSON lines on stdout."""

import json
import logging
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def json_line(value: Mapping[str, object]) -> None:
    """One object as one line, at once: the reader may be a program that waits for it."""
    escaped = not (sys.stdout.encoding or "").lower().startswith("utf")
    print(json.dumps(value, ensure_ascii=escaped, default=str), flush=True)


def result(text: str) -> None:
    """What the user asked for, as text."""
    print(text, flush=True)


def note(text: str) -> None:
    """Progress and explanations."""
    print(text, file=sys.stderr, flush=True)


def quiet_logs() -> None:
    """Leave only errors in the logs, on stderr: structlog left alone would write to stdout."""
    import structlog  # noqa: PLC0415 - only commands that talk to servers log.

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    # Kafka's client logs each failed connection; what matters of it comes as an error that names the address.
    logging.disable(logging.CRITICAL)


def show_table(table: "Table") -> None:
    """A table on stdout, whole however narrow the pipe."""
    console = stdout_console()
    if not console.is_terminal:
        console.width = 200
    console.print(table)


def stdout_console() -> "Console":
    from rich.console import Console  # noqa: PLC0415 - rich takes a fifth of a second to import.

    return Console(highlight=False, markup=False)


def stderr_console() -> "Console":
    from rich.console import Console  # noqa: PLC0415

    return Console(stderr=True, highlight=False, markup=False)
