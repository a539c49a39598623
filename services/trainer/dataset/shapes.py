"""What the columns of a row mean: decided once for each file, from its columns and the request's mappings."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from schemas.config import DatasetConfig
from schemas.failures import Reason
from schemas.problems import did_you_mean
from services.common.errors import UserError

WELL_KNOWN = frozenset({"messages", "conversations", "prompt", "completion", "instruction", "output", "text"})


class Shape(StrEnum):
    """The kinds of rows that can be trained on, by the names that people know them by."""

    MESSAGES = "messages"
    CONVERSATIONS = "conversations"
    PROMPT_COMPLETION = "prompt-completion"
    ALPACA = "alpaca"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Columns:
    """The shape of a file's rows, and which columns hold it."""

    shape: Shape
    first: str
    second: str = ""


def find_columns(file: str, seen: Iterable[str], config: DatasetConfig, text_field: str = "text") -> Columns:
    """`seen` are the columns of the first rows. Mappings that the request gives count before well-known names."""
    columns = list(dict.fromkeys(seen))
    mapped = _mapped(config)
    if mapped is not None:
        missing = [name for name in (mapped.first, mapped.second) if name and name not in columns]
        if missing:
            raise _unknown(
                file, columns, f"DatasetConfig maps column {missing[0]!r}{did_you_mean(missing[0], columns)}"
            )
        return mapped
    known = _well_known(set(columns), text_field)
    if known is None:
        raise _unknown(file, columns, "the rows are none of messages, prompt/completion, instruction/output and text")
    return known


def _mapped(config: DatasetConfig) -> Columns | None:
    if config.messages_column is not None:
        return Columns(Shape.MESSAGES, config.messages_column)
    if config.context_column is not None:
        return Columns(Shape.PROMPT_COMPLETION, config.context_column, config.response_column)
    if "response_column" in config.model_fields_set and config.response_column != "text":
        return Columns(Shape.TEXT, config.response_column)
    return None


def _well_known(columns: set[str], text_field: str) -> Columns | None:
    if "messages" in columns:
        return Columns(Shape.MESSAGES, "messages")
    if "conversations" in columns:
        return Columns(Shape.CONVERSATIONS, "conversations")
    if {"prompt", "completion"} <= columns:
        return Columns(Shape.PROMPT_COMPLETION, "prompt", "completion")
    if {"instruction", "output"} <= columns:
        return Columns(Shape.ALPACA, "instruction", "output")
    for name in (text_field, "text"):
        if name in columns:
            return Columns(Shape.TEXT, name)
    return None


def first_columns(rows: Iterable[object]) -> list[str]:
    """Every column of these rows, in the order in which they appear."""
    return list(dict.fromkeys(name for row in rows if isinstance(row, Mapping) for name in row))


def _unknown(file: str, columns: list[str], why: str) -> UserError:
    shown = ", ".join(name[:60] for name in columns[:20]) + (", …" if len(columns) > 20 else "")
    return UserError(
        Reason.DATASET_UNREADABLE,
        f"{file}: {why}; its columns are {shown or '(none)'}. Name the column of conversations in "
        "DatasetConfig.messages_column, question and answer in context_column and response_column, or plain text in "
        "response_column alone",
    )
