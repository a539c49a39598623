"""Every row of one file, whatever its format, with the line or number at which it stands."""

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from schemas.failures import Reason
from services.common.errors import UserError
from services.trainer.dataset.decode import DecodeError
from services.trainer.dataset.formats import Format, open_plain
from services.trainer.dataset.json_array import read_json
from services.trainer.dataset.lines import Found, read_csv, read_jsonl
from services.trainer.dataset.tables import read_arrow, read_parquet
from services.trainer.dataset.tars import read_webdataset


def read_rows(name: str, path: Path, kind: Format) -> Iterator[Found]:
    """Raises `UserError(DatasetUnreadable)` when the file as a whole is broken."""
    with _named(name, kind):
        if kind is Format.PARQUET:
            yield from read_parquet(path)
        elif kind is Format.ARROW:
            yield from read_arrow(path)
        else:
            with open_plain(path) as file:
                match kind:
                    case Format.JSONL:
                        yield from read_jsonl(file)
                    case Format.JSON:
                        yield from read_json(file)
                    case Format.WEBDATASET:
                        yield from read_webdataset(file)
                    case Format.CSV | Format.TSV:
                        yield from read_csv(file, delimiter="\t" if kind is Format.TSV else None)


@contextmanager
def _named(name: str, kind: Format) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, tarfile.TarError, DecodeError, OSError, EOFError, UnicodeError) as error:
        why = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        raise UserError(Reason.DATASET_UNREADABLE, f"{name} is no readable {kind} file: {why}") from error
