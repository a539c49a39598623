"""What a hostile file may cost, and how a problem in one is said."""

import re
from dataclasses import dataclass, field

MAX_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 64
MAX_COST = 1_000_000
_TEXT_PER_COST = 16
_MAX_DIGITS = 400

# Tab, line feed and carriage return are text; other control characters, and halves of surrogate pairs, are not.
NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class DocumentError(ValueError):
    """`line` and `column` count from 1."""

    def __init__(self, message: str, *, name: str = "", line: int = 1, column: int = 1) -> None:
        super().__init__(f"{name or 'document'}:{line}:{column}: {message}")
        self.message, self.name, self.line, self.column = message, name, line, column


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file. `index` counts from 0; `line` is where it starts, from 1."""

    value: object
    index: int
    line: int


@dataclass(slots=True)
class Budget:
    """What a file may still cost: one for each value, and more for long text. Aliases pay for all behind them."""

    whole: int = MAX_COST
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.whole

    def spend(self, cost: int) -> None:
        self.left -= cost
        if self.left < 0:
            raise ValueError(f"more than {self.whole} values once aliases are followed; split it into several files")


def cost_of(text: str) -> int:
    return 1 + len(text) // _TEXT_PER_COST


def check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError(f"nested more than {MAX_DEPTH} levels deep")


def check_text(text: str) -> None:
    found = NOT_TEXT.search(text)
    if found:
        raise ValueError(f"the control character U+{ord(found[0]):04X} is not text")


def parse_integer(digits: str, base: int = 10) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"a number of more than {_MAX_DIGITS} digits")
    return int(digits, base)


def position(text: str, offset: int) -> tuple[int, int]:
    """Line and column of an offset, both from 1."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
