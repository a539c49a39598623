from pathlib import Path

import pyarrow as pa
import pytest

from services.trainer.dataset.tokens import NOT_TRAINED, TokenisedRow, Tokens, TokenWriter


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    # More rows than one batch of the file holds, so that numbers are found across batches.
    rows = [
        TokenisedRow([n, n + 1, n + 2], [NOT_TRAINED, n + 1, NOT_TRAINED if n % 2 else n + 2], n) for n in range(2500)
    ]
    with TokenWriter(tmp_path / "train.arrow") as writer:
        for row in rows:
            writer.add(row)
    tokens = Tokens(tmp_path / "train.arrow")
    assert len(tokens) == 2500
    assert tokens.lengths.tolist() == [3] * 2500
    assert tokens.trained().tolist() == [row.trained for row in rows]
    for number in (0, 1023, 1024, 2047, 2048, 2499):
        ids, labels = tokens.row(number)
        assert (ids.tolist(), labels.tolist()) == (rows[number].input_ids, rows[number].labels)


def test_the_first_token_of_a_row_is_never_learned(tmp_path: Path) -> None:
    rows = [TokenisedRow([5], [5], 0), TokenisedRow([5, 6], [5, 6], 1), TokenisedRow([7, 8], [7, NOT_TRAINED], 2)]
    with TokenWriter(tmp_path / "train.arrow") as writer:
        for row in rows:
            writer.add(row)
    assert [row.trained for row in rows] == [0, 1, 0]
    assert Tokens(tmp_path / "train.arrow").trained().tolist() == [0, 1, 0]


def test_nothing_written_is_an_empty_split(tmp_path: Path) -> None:
    with TokenWriter(tmp_path / "eval.arrow"):
        pass
    assert len(Tokens(tmp_path / "eval.arrow")) == 0


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"junk" * 100)
    with pytest.raises(pa.ArrowInvalid):
        Tokens(tmp_path / "junk")
    schema = pa.schema([("other", pa.int64())])
    with pa.OSFile(str(tmp_path / "other"), "wb") as sink, pa.ipc.new_file(sink, schema):
        pass
    with pytest.raises(ValueError, match="does not hold tokenised rows"):
        Tokens(tmp_path / "other")
