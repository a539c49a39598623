"""Rows of Parquet and Arrow files. The `line` of a row is its number, counted from 1."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from services.trainer.dataset.lines import Found
from services.trainer.dataset.problems import Code, Fault

_ROWS_A_BATCH = 256


def read_parquet(path: Path) -> Iterator[Found]:
    """Raises `pyarrow.ArrowException` or OSError when the file is broken."""
    with pq.ParquetFile(path) as file:
        yield from _rows(file.iter_batches(batch_size=_ROWS_A_BATCH))


def read_arrow(path: Path) -> Iterator[Found]:
    """IPC files, and IPC streams as the `datasets` library writes them."""
    with pa.memory_map(str(path)) as source:
        try:
            file = pa.ipc.open_file(source)
        except pa.ArrowInvalid:
            source.seek(0)
            yield from _rows(iter(pa.ipc.open_stream(source)))
        else:
            yield from _rows(file.get_batch(number) for number in range(file.num_record_batches))


def _rows(batches: Iterator[pa.RecordBatch]) -> Iterator[Found]:
    line = 0
    for batch in batches:
        batch.validate(full=True)  # Offsets of a hostile file may point anywhere.
        for start in range(0, batch.num_rows, _ROWS_A_BATCH):
            part = batch.slice(start, _ROWS_A_BATCH)
            for row in _values(part):
                line += 1
                yield line, row


def _values(batch: pa.RecordBatch) -> list[object]:
    try:
        return list(batch.to_pylist())
    except UnicodeDecodeError:
        return [_value(batch.slice(number, 1)) for number in range(batch.num_rows)]


def _value(batch: pa.RecordBatch) -> object:
    try:
        return batch.to_pylist()[0]
    except UnicodeDecodeError as error:
        return Fault(Code.BAD_ENCODING, f"byte {error.start + 1} of a text is not UTF-8")
