"""Which rows are trained on side by side: an Arrow file beside the tokens, written by the check and read by the child.

`packs.arrow` has one column, `rows`: the numbers of the rows of `train.arrow` that share a pack, in the packer's order.
A tokens folder without it is trained row by row.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

PACKS = "packs.arrow"
_SCHEMA = pa.schema([("rows", pa.list_(pa.int32()))])


def write_packs(packs: Sequence[Sequence[int]], path: Path) -> int:
    """Give the size of the file; `path` is replaced if it exists."""
    offsets = pa.array(np.cumsum([0, *map(len, packs)], dtype=np.int32))
    rows = pa.array(np.fromiter((row for pack in packs for row in pack), np.int32))
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, _SCHEMA) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays([pa.ListArray.from_arrays(offsets, rows)], schema=_SCHEMA))
    return path.stat().st_size


def read_packs(path: Path) -> list[list[int]]:
    """Raise OSError or ValueError when it is not such a file."""
    reader = pa.ipc.open_file(pa.memory_map(str(path)))
    if not reader.schema.equals(_SCHEMA):
        raise ValueError(f"{path} does not hold packs")
    packs: list[list[int]] = reader.read_all().column("rows").to_pylist()
    return packs
