"""Which of the staged files are trained on."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from schemas.failures import Reason
from services.common.errors import UserError


class Named(Protocol):
    """Something with a name."""

    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=Named)


def select(files: Sequence[N], dataset_path: str | None) -> list[N]:
    """All of them, or what `DatasetConfig.dataset_path` names: a file or a folder, relative to /mnt or to the data."""
    if dataset_path is None:
        return list(files)
    wanted = _parts(dataset_path)
    for skipped in range(len(wanted)):
        if skipped and wanted[skipped - 1] not in ("mnt", "data"):
            break
        found = [file for file in files if _parts(file.name)[: len(wanted) - skipped] == wanted[skipped:]]
        if found:
            return found
    names = ", ".join(file.name for file in files[:10])
    raise UserError(
        Reason.DATASET_EMPTY,
        f"DatasetConfig.dataset_path {dataset_path!r} names no file of the dataset, which holds: {names}",
    )


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]
