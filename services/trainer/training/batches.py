"""The rows of an optimizer step as tensors: flat, one behind the other, or padded for models that need it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from services.trainer.dataset.tokens import NOT_TRAINED, Tokens
from services.trainer.planning.steps import Schedule, passes, share


@dataclass(frozen=True, slots=True)
class Pass:
    """One forward pass. `keep` are the positions whose next token is trained on, `targets` these next tokens."""

    inputs: dict[str, Any]
    keep: torch.Tensor
    targets: torch.Tensor
    row_ends: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One optimizer step's share of this process; `trained` counts the trained tokens of all processes together."""

    number: int
    passes: tuple[Pass, ...]
    trained: int
    tokens: int


class Steps(Dataset[Step]):  # type: ignore[misc]
    """The optimizer steps of a training from step `first` on; item i is step `first + i`."""

    def __init__(
        self,
        tokens: Tokens,
        schedule: Schedule,
        *,
        total: int,
        tokens_per_pass: int,
        flat: bool,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        """`process` of `processes` gets its share of each step. Both limits may change while a training goes on."""
        self.tokens_per_pass = tokens_per_pass
        self.first = 0
        self._tokens, self._schedule, self._total, self._flat = tokens, schedule, total, flat
        self._process, self._processes = process, processes
        self._trained = tokens.trained()
        self._epoch = -1
        self._order = schedule.order(0)

    def __len__(self) -> int:
        return self._total - self.first

    def __getitem__(self, item: int) -> Step:
        return self.step(self.first + item)

    def step(self, step: int) -> Step:
        """Step number `step`, whatever `first` is."""
        epoch = step // self._schedule.steps_per_epoch
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._schedule.order(epoch)
        rows = self._schedule.rows(step, self._order)
        lengths = self._tokens.lengths
        mine = share(rows, lengths, self._process, self._processes)
        made = [
            make_pass(self._tokens, part, flat=self._flat)
            for part in passes(mine, lengths, self.tokens_per_pass, padded=not self._flat)
        ]
        # A process without rows of its own still has to take part in the exchange of gradients.
        made = made or [make_pass(self._tokens, rows[:1], flat=self._flat, trained=False)]
        return Step(step, tuple(made), int(self._trained[rows].sum()), int(lengths[rows].sum()))


def make_pass(tokens: Tokens, rows: Sequence[int], *, flat: bool, trained: bool = True) -> Pass:
    """Put rows into one forward pass; with `trained` false nothing of them is trained on."""
    found = [tokens.row(row) for row in rows]
    ids, labels = [pair[0] for pair in found], [pair[1] for pair in found]
    lengths = [len(row) for row in ids]
    width = max(lengths)
    starts = [0, *np.cumsum(lengths[:-1]).tolist()] if flat else [width * number for number in range(len(rows))]
    nexts = _next_tokens(labels, starts, sum(lengths) if flat else width * len(rows))
    keep = np.flatnonzero(nexts != NOT_TRAINED) if trained else np.zeros(0, np.int64)
    inputs = _flat(ids, lengths) if flat else _padded(ids, lengths, width)
    ends = tuple(
        int(number)
        for number in np.searchsorted(keep, [start + length for start, length in zip(starts, lengths, strict=True)])
    )
    return Pass(inputs, torch.from_numpy(keep), torch.from_numpy(nexts[keep].astype(np.int64)), ends)


def _next_tokens(labels: Sequence[Any], starts: Sequence[int], size: int) -> Any:
    nexts = np.full(size, NOT_TRAINED, np.int32)
    for row, start in zip(labels, starts, strict=True):
        nexts[start : start + len(row) - 1] = row[1:]
    return nexts


def _flat(ids: Sequence[Any], lengths: Sequence[int]) -> dict[str, Any]:
    positions = np.concatenate([np.arange(length) for length in lengths])
    return {
        "input_ids": torch.from_numpy(np.concatenate(ids).astype(np.int64))[None],
        "position_ids": torch.from_numpy(positions)[None],
        "row_lengths": tuple(lengths),
    }


def _padded(ids: Sequence[Any], lengths: Sequence[int], width: int) -> dict[str, Any]:
    padded = np.zeros((len(ids), width), np.int64)
    mask = np.zeros((len(ids), width), np.int64)
    for number, (row, length) in enumerate(zip(ids, lengths, strict=True)):
        padded[number, :length], mask[number, :length] = row, 1
    return {"input_ids": torch.from_numpy(padded), "attention_mask": torch.from_numpy(mask)}
