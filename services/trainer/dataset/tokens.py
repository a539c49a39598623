"""Tokenised rows on disk: Arrow files that a training maps into memory and never copies.

One file a split (`train.arrow`, `eval.arrow`) with the columns `input_ids`, `labels` (-100: not trained on) and
`origin` (the row's number in the dataset). A tokens folder without `eval.arrow` has no evaluation split.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

NOT_TRAINED = -100
TRAIN, EVAL = "train.arrow", "eval.arrow"
_SCHEMA = pa.schema([("input_ids", pa.list_(pa.int32())), ("labels", pa.list_(pa.int32())), ("origin", pa.int64())])
_ROWS_A_BATCH = 1024

Ids = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class TokenisedRow:
    """One row as the model sees it; both lists are equally long."""

    input_ids: Sequence[int]
    labels: Sequence[int]
    origin: int

    @property
    def trained(self) -> int:
        """Tokens that the loss counts: the first one of a row has nothing before it to be predicted from."""
        return int(np.count_nonzero(np.asarray(self.labels[1:], np.int32) != NOT_TRAINED))


class TokenWriter:
    """Writes one split row by row."""

    def __init__(self, path: Path) -> None:
        """`path` is replaced if it exists."""
        self._sink = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_file(self._sink, _SCHEMA)
        self._rows: list[TokenisedRow] = []

    def add(self, row: TokenisedRow) -> None:
        """Append a row."""
        self._rows.append(row)
        if len(self._rows) >= _ROWS_A_BATCH:
            self._flush()

    def _flush(self) -> None:
        rows = self._rows
        offsets = pa.array(np.cumsum([0, *(len(row.input_ids) for row in rows)], dtype=np.int32))
        ids, labels = _joined([row.input_ids for row in rows]), _joined([row.labels for row in rows])
        columns = [pa.ListArray.from_arrays(offsets, values) for values in (ids, labels)]
        origins = pa.array([row.origin for row in rows], pa.int64())
        self._writer.write_batch(pa.RecordBatch.from_arrays([*columns, origins], schema=_SCHEMA))
        self._rows.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._rows:
            self._flush()
        self._writer.close()
        self._sink.close()


def _joined(rows: Sequence[Sequence[int]]) -> Any:
    return pa.array(np.concatenate([np.asarray(row, np.int32) for row in rows]))


class Tokens:
    """One split, mapped into memory; rows are numpy views."""

    def __init__(self, path: Path) -> None:
        """Raise OSError or ValueError when it is not such a file."""
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        if not reader.schema.equals(_SCHEMA):
            raise ValueError(f"{path} does not hold tokenised rows")
        batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
        self._batches = [_columns(batch) for batch in batches]
        self._starts = np.cumsum([0, *(len(lengths) for *_, lengths in self._batches)])
        lengths = [lengths for *_, lengths in self._batches]
        self.lengths: npt.NDArray[np.int64] = np.concatenate([np.zeros(0, np.int64), *lengths])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def row(self, number: int) -> tuple[Ids, Ids]:
        """`input_ids` and `labels`."""
        batch = int(np.searchsorted(self._starts, number, side="right")) - 1
        ids, labels, offsets, _ = self._batches[batch]
        start, end = offsets[number - self._starts[batch]], offsets[number - self._starts[batch] + 1]
        return ids[start:end], labels[start:end]

    def trained(self) -> npt.NDArray[np.int64]:
        """Trained tokens of each row."""
        counts = [np.zeros(0, np.int64)]
        for _, labels, offsets, lengths in self._batches:
            mask = labels != NOT_TRAINED
            mask[offsets[:-1][lengths > 0]] = False
            counts.append(np.diff(np.concatenate([[0], np.cumsum(mask)])[offsets]))
        return np.concatenate(counts)


def _columns(batch: Any) -> tuple[Ids, Ids, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    offsets = batch.column("input_ids").offsets.to_numpy().astype(np.int64)
    ids, labels = (batch.column(name).values.to_numpy() for name in ("input_ids", "labels"))
    if not np.array_equal(offsets, batch.column("labels").offsets.to_numpy()):
        raise ValueError("labels and input_ids differ in length")
    return ids, labels, offsets, np.diff(offsets)
