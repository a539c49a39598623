"""`lorabus dlq`: look at dead letters, and send them again once the reason is mended."""

import asyncio
import json

from lorabus.cli.output import json_line, note, result, show_table
from lorabus.dead_letters import DeadLetter, dead_letters, find, replay
from lorabus.faults import DONE
from lorabus.settings import read_settings
from lorabus.telling import printable


def list_letters(*, as_json: bool) -> int:
    """One line a letter."""
    letters = asyncio.run(_all())
    if as_json:
        for letter in letters:
            json_line(letter.summary())
    elif letters:
        _table(letters)
    else:
        note("no dead letters")
    return DONE


def show_letter(letter_id: str, *, as_json: bool) -> int:
    """The letter with its headers and its value."""
    letter = asyncio.run(find(read_settings(), letter_id))
    if as_json:
        json_line(letter.whole())
    else:
        result(printable(json.dumps(letter.whole(), indent=2, ensure_ascii=False)))
    return DONE


def replay_letter(letter_id: str, *, as_json: bool) -> int:
    """Say where the letter went."""
    topic = asyncio.run(_replay(letter_id))
    if as_json:
        json_line({"id": letter_id, "topic": topic, "replayed": True})
    else:
        result(f"{letter_id} was sent to {topic} again")
    return DONE


async def _all() -> list[DeadLetter]:
    return [letter async for letter in dead_letters(read_settings())]


async def _replay(letter_id: str) -> str:
    settings = read_settings()
    return await replay(settings, await find(settings, letter_id))


def _table(letters: list[DeadLetter]) -> None:
    from rich.table import Table  # noqa: PLC0415

    table = Table("id", "time", "came from", "service", "reason", box=None, pad_edge=False)
    for letter in letters:
        row = letter.summary()
        place = f"{row['topic']} {row['partition']}:{row['offset']}"
        table.add_row(
            *[printable(str(cell)) for cell in (row["id"], row["time"], place, row["service"], row["reason"])]
        )
    show_table(table)
