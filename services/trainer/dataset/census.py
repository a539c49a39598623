"""What is counted of a dataset's rows while they pass: a few bytes for each, so that millions fit."""

from array import array
from collections.abc import Iterator
from hashlib import blake2b
from itertools import count

import numpy as np
import numpy.typing as npt
import orjson

from schemas.events.dataset import LengthHistogram, TokenCounts
from services.trainer.dataset.rows import Conversation, Pair, Row

Numbers = npt.NDArray[np.int64]
BUCKETS = 20


def fingerprint(row: Row) -> int:
    """The same for rows with the same content; 63 bits, so that ten million rows collide once in 200,000 datasets."""
    match row:
        case Conversation():
            content: object = [row.messages, row.tools]
        case Pair():
            content = [row.prompt, row.completion, row.tools]
        case _:
            content = row.text
    digest = blake2b(orjson.dumps(content, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS), digest_size=8)
    return int.from_bytes(digest.digest()) >> 1


class Census:
    """Length, trained tokens and fingerprint of each row that is kept."""

    def __init__(self) -> None:
        self._lengths = array("q")
        self._trained = array("q")
        self._prints = array("q")

    def add(self, length: int, trained: int, print_: int) -> None:
        self._lengths.append(length)
        self._trained.append(trained)
        self._prints.append(print_)

    def __len__(self) -> int:
        return len(self._lengths)

    @property
    def lengths(self) -> Numbers:
        return np.array(self._lengths, np.int64)

    def tokens(self) -> TokenCounts:
        lengths = self.lengths
        if not len(lengths):
            return TokenCounts(total=0, trained=0, p50=0, p95=0, max=0)
        p50, p95 = np.percentile(lengths, [50, 95], method="higher")
        return TokenCounts(
            total=int(lengths.sum()),
            trained=int(np.array(self._trained, np.int64).sum()),
            p50=int(p50),
            p95=int(p95),
            max=int(lengths.max()),
            lengths=histogram(lengths),
        )

    def sums(self, rows: Numbers) -> tuple[int, int]:
        """Tokens and trained tokens of these rows."""
        return int(self.lengths[rows].sum()), int(np.array(self._trained, np.int64)[rows].sum())

    def duplicates(self) -> int:
        """Rows that were there before."""
        return len(self) - len(np.unique(np.array(self._prints, np.int64)))

    def overlap(self, train: Numbers, evaluation: Numbers) -> int:
        """Rows of the evaluation that are trained on as well."""
        prints = np.array(self._prints, np.int64)
        return int(np.isin(prints[evaluation], prints[train]).sum())


def histogram(lengths: Numbers) -> LengthHistogram:
    """At most `BUCKETS` equal buckets between round numbers, from the shortest row to the longest."""
    shortest, longest = int(lengths.min()), int(lengths.max())
    width = next(width for width in _round_widths() if longest // width - shortest // width < BUCKETS)
    edges = np.arange(shortest // width, longest // width + 2) * width
    counts, _ = np.histogram(lengths, edges)
    return LengthHistogram(edges=edges.tolist(), counts=counts.tolist())


def _round_widths() -> Iterator[int]:
    """1, 2, 5, 10, 20, 50 and so on."""
    return (digit * 10**power for power in count() for digit in (1, 2, 5))


def split(rows: int, share: float, *, shuffle: bool, seed: int) -> tuple[Numbers, Numbers]:
    """Row numbers to train on and to evaluate with; the same for the same seed. At least one row is trained on."""
    order = np.arange(rows)
    if shuffle:
        order = np.random.Generator(np.random.Philox(key=seed)).permutation(order)
    kept = rows if share >= 1 else max(1, min(rows, round(rows * share)))
    return order[:kept], order[kept:]
