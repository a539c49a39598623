"""Which rows make up which optimizer step, and how a step is cut into forward passes.

Pure and exact: step i of a training has the same rows in the same order wherever and whenever it is computed, so
that a resumed training, or one on another number of devices, goes on where the first one stopped.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Units are rows, or packs of rows. `sampling` is TRL's word for their order."""

    units: Sequence[Sequence[int]] | None
    lengths: Numbers
    per_step: int
    seed: int
    sampling: str = "random"

    @property
    def count(self) -> int:
        """Units of one epoch."""
        return len(self.lengths) if self.units is None else len(self.units)

    @property
    def steps_per_epoch(self) -> int:
        """The last step of an epoch may be smaller."""
        return -(-self.count // self.per_step)

    def order(self, epoch: int) -> Numbers:
        """The units of an epoch in their order; the same for the same seed and epoch."""
        everything = np.arange(self.count)
        if self.sampling == "sequential":
            return everything
        chance = np.random.Generator(np.random.Philox(key=[self.seed, epoch]))
        shuffled = chance.permutation(everything)
        return self._by_length(shuffled, chance) if self.sampling != "random" else shuffled

    def rows(self, step: int, order: Numbers) -> list[int]:
        """Row numbers of a step; `order` is that of the step's epoch."""
        first = step % self.steps_per_epoch * self.per_step
        chosen = order[first : first + self.per_step].tolist()
        return chosen if self.units is None else [row for unit in chosen for row in self.units[unit]]

    def _by_length(self, shuffled: Numbers, chance: np.random.Generator) -> Numbers:
        """Steps of similar lengths: sorted within stretches of 50 steps, the steps then in random order."""
        stretch = 50 * self.per_step
        size = self._sizes()
        parts = [shuffled[at : at + stretch] for at in range(0, len(shuffled), stretch)]
        grouped = np.concatenate([part[np.argsort(-size[part], kind="stable")] for part in parts])
        whole = len(grouped) // self.per_step * self.per_step
        steps = grouped[:whole].reshape(-1, self.per_step)
        return np.concatenate([chance.permutation(steps).reshape(-1), grouped[whole:]])

    def _sizes(self) -> Numbers:
        if self.units is None:
            return self.lengths
        return np.array([self.lengths[list(unit)].sum() for unit in self.units])


def share(rows: Sequence[int], lengths: Numbers, process: int, processes: int) -> list[int]:
    """The rows of one process out of several: longest first, each to whoever has least so far."""
    if processes == 1:
        return list(rows)
    loads, mine = [0] * processes, []
    for row in _longest_first(rows, lengths):
        least = loads.index(min(loads))
        loads[least] += int(lengths[row])
        if least == process:
            mine.append(row)
    return mine


def passes(rows: Sequence[int], lengths: Numbers, tokens: int, *, padded: bool = False) -> list[list[int]]:
    """Cut rows into forward passes of at most `tokens` tokens, padding included; a longer row goes alone.

    Rows come longest first, so that rows of a pass are of similar length and the first pass needs the most memory.
    """
    parts: list[list[int]] = []
    used = 0
    for row in _longest_first(rows, lengths):
        cost = int(lengths[parts[-1][0] if padded and parts else row])
        if not parts or used + cost > tokens:
            parts.append([])
            used, cost = 0, int(lengths[row])
        parts[-1].append(row)
        used += cost
    return parts


def _longest_first(rows: Sequence[int], lengths: Numbers) -> list[int]:
    return sorted(rows, key=lambda number: (-int(lengths[number]), number))
