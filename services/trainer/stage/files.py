"""What staging gives: files that lie complete and verified in the object store, in a fixed order."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from schemas.events.base import Wire
from schemas.events.dataset import StagedFile


class StoredFile(StagedFile):
    """A file of the dataset and the key of its bytes."""

    key: str


class BlobRecord(Wire):
    """Created once for each digest: the upload that holds these bytes."""

    digest: str
    size: int
    key: str


class SourceRecord(Wire):
    """What a source gave the last time, and what tells whether it still would."""

    name: str
    digest: str
    etag: str | None = None
    last_modified: str | None = None
    fingerprint: str | None = None


class FilesRecord(Wire):
    """What a source of several files holds for ever: an image by its digest."""

    files: list[StagedFile]


@dataclass(frozen=True, slots=True)
class StagedDataset:
    """`digest` covers names, bytes and order. `reused` is true when no byte had to be transferred."""

    digest: str
    files: list[StoredFile]
    reused: bool

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


def assemble(files: Sequence[StoredFile], *, reused: bool) -> StagedDataset:
    """Keep names apart and compute the dataset's digest; the order of `files` is kept."""
    named = [
        file.model_copy(update={"name": name})
        for file, name in zip(files, distinct([file.name for file in files]), strict=True)
    ]
    listing = orjson.dumps([[file.name, file.digest] for file in named])
    return StagedDataset(f"sha256:{hashlib.sha256(listing).hexdigest()}", named, reused)


def distinct(names: Sequence[str]) -> list[str]:
    """Names in the same order, a second `a.csv` as `a~2.csv`; letter case does not tell two names apart."""
    taken: set[str] = set()
    result = []
    for name in names:
        folder, slash, base = name.rpartition("/")
        stem, dot, extension = base.partition(".")
        candidate, count = name, 1
        while candidate.casefold() in taken:
            count += 1
            candidate = f"{folder}{slash}{stem}~{count}{dot}{extension}"
        taken.add(candidate.casefold())
        result.append(candidate)
    return result
