from pathlib import Path

import pyarrow as pa
import pytest

from services.trainer.dataset.packs import read_packs, write_packs


@pytest.mark.parametrize("packs", [[[3, 0], [1], [2, 4, 5]], [[0]], []])
def test_packs_come_back_as_they_were_written(tmp_path: Path, packs: list[list[int]]) -> None:
    path = tmp_path / "packs.arrow"
    assert write_packs(packs, path) == path.stat().st_size
    assert read_packs(path) == packs


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, pa.schema([("rows", pa.int64())])):
        pass
    with pytest.raises(ValueError, match="does not hold packs"):
        read_packs(path)
