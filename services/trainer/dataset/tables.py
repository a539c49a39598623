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
    columns = [_cells(column) for column in batch.columns]
    rows = [dict(zip(batch.schema.names, cells, strict=True)) for cells in zip(*columns, strict=True)]
    return [next((cell for cell in row.values() if isinstance(cell, Fault)), row) for row in rows]


def _cells(column: pa.Array) -> list[object]:
    """None also for what Python has no value for, such as a date in the year 30,000: nobody trains on it."""
    try:
        cells = column.to_pylist()
    except UnicodeDecodeError:
        return [_cell(column.slice(number, 1)) for number in range(len(column))]
    except (OverflowError, ValueError):
        return [None] * len(column)
    return [_present(cell) for cell in cells] if pa.types.is_nested(column.type) else cells


def _cell(column: pa.Array) -> object:
    try:
        return _present(column.to_pylist()[0])
    except UnicodeDecodeError as error:
        return Fault(Code.BAD_ENCODING, f"byte {error.start + 1} of a text is not UTF-8")


def _present(value: object) -> object:
    """Without the fields that are null: a table gives every object the fields of all, so null is what was not there.

    A call of a tool with arguments that others have would teach the model to write them as null.
    """
    if isinstance(value, dict):
        return {name: _present(part) for name, part in value.items() if part is not None}
    return [_present(part) for part in value] if isinstance(value, list) else value
