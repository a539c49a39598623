"""`lorabus check`: what a job would say of its data before it trains."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lorabus.checking import check_files
from lorabus.cli.output import json_line, note, result
from lorabus.faults import DONE, FAILED
from lorabus.settings import read_settings
from lorabus.telling import printable

_BOLD, _PLAIN = "\x1b[1;32m", "\x1b[0m"
_GIB = 1024**3


def check_command(files: Sequence[Path], *, preset: str, method: str, config: Path | None, as_json: bool) -> int:
    """0 when a job could train on the files, 1 when not."""
    answer = check_files(files, preset, method, config, read_settings())
    if as_json:
        facts = answer.pop("facts")
        json_line({"valid": answer["reason"] is None, **_mapping(facts), **answer})
    else:
        for line in tell(answer, colours=sys.stdout.isatty()):
            result(line)
    if answer["reason"] is not None:
        note(f"cannot be trained on: {printable(str(answer['message']))}")
    return DONE if answer["reason"] is None else FAILED


def tell(answer: Mapping[str, Any], *, colours: bool) -> Iterator[str]:
    """The answer for people."""
    facts, tokens = answer["facts"], answer["facts"]["tokens"]
    yield f"{facts['format'] or 'no rows'}: {facts['rows']:,} rows to train on, {facts['evalRows']:,} to evaluate with"
    yield (
        f"tokens: {tokens['total']:,} in all, {tokens['trained']:,} trained on; "
        f"of a row p50 {tokens['p50']:,}, p95 {tokens['p95']:,}, longest {tokens['max']:,}"
    )
    yield (
        f"rows: {facts['dropped']:,} dropped, {facts['truncated']:,} truncated, {facts['duplicates']:,} duplicates, "
        f"{facts['overlap']:,} evaluated that are also trained on"
    )
    if answer["reason"] is None:
        low, high = (size / _GIB for size in facts["memoryBytes"])
        yield (
            f"training here: {facts['plannedSteps']:,} steps, {low:.1f} to {high:.1f} GiB of memory, "
            f"about {_duration(facts['timeSeconds'])}"
        )
    yield from (f"note: {printable(text)}" for text in answer["notes"])
    yield from _problems(facts)
    yield from _preview(facts["preview"], colours=colours)


def _problems(facts: Mapping[str, Any]) -> Iterator[str]:
    for row in facts["problems"]:
        where = f"{row['file']}:{row['line']}"
        yield printable(f"{where}: {row['message']} ({row['code']}{' at ' if row['pointer'] else ''}{row['pointer']})")
    left_out = facts["problemCount"] - len(facts["problems"])
    if left_out:
        yield f"and {left_out:,} more rows with problems"


def _preview(rows: Sequence[Mapping[str, Any]], *, colours: bool) -> Iterator[str]:
    """What is trained on is bold, or stands in double brackets where nothing can be bold."""
    opening, closing = (_BOLD, _PLAIN) if colours else ("[[", "]]")
    for row in rows:
        stretches = ((trained, printable(text)) for trained, text in row["stretches"])
        yield "  " + "".join(f"{opening}{text}{closing}" if trained else text for trained, text in stretches)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _mapping(value: object) -> dict[str, object]:
    return dict(value) if isinstance(value, Mapping) else {}
