"""What all files of one dataset share on their way into the store, and what is remembered of their sources."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from schemas import store_keys
from schemas.events.dataset import StagedFile
from schemas.records import as_json
from services.common.object_store import ObjectStore
from services.common.registry.transport import Note
from services.trainer.stage.blobs import find_blob, store_blob
from services.trainer.stage.files import BlobRecord, FilesRecord, SourceRecord, StoredFile
from services.trainer.stage.limits import Budget
from services.trainer.stage.progress import Progress
from services.trainer.stage.settings import StagingSettings


@dataclass(frozen=True, slots=True)
class Staged:
    """One file. `reused` is true when its bytes were in the store before and none was transferred."""

    file: StoredFile
    reused: bool


@dataclass(frozen=True, slots=True)
class Transfer:
    """The way into the store for the files of one dataset."""

    store: ObjectStore
    settings: StagingSettings
    budget: Budget
    progress: Progress
    note: Note = lambda *_: None

    async def known(self, source: str) -> tuple[SourceRecord, BlobRecord] | None:
        """What the source gave the last time, if the store still has it."""
        raw = await self.store.get(_place(source))
        if raw is None:
            return None
        try:
            record = SourceRecord.model_validate_json(raw)
        except ValidationError:  # Written by another version: as good as unknown.
            return None
        blob = await find_blob(self.store, record.digest)
        return (record, blob) if blob else None

    async def known_files(self, source: str) -> list[Staged] | None:
        """All files of a source that never changes, if the store still has every one."""
        raw = await self.store.get(_place(source))
        if raw is None:
            return None
        files = []
        for file in FilesRecord.model_validate_json(raw).files:
            blob = await find_blob(self.store, file.digest)
            if blob is None:
                return None
            files.append(staged(file.name, blob, reused=True))
        return files

    async def remember_files(self, source: str, files: Sequence[StagedFile]) -> None:
        record = FilesRecord(files=[StagedFile(name=file.name, digest=file.digest, size=file.size) for file in files])
        await self.store.put(_place(source), as_json(record))

    async def copy(self, source: str, name: str, chunks: AsyncIterator[bytes]) -> BlobRecord:
        """Every byte, counted, hashed and uploaded; what fails is not counted."""
        meter = _Meter(self, source)
        try:
            return await store_blob(self.store, name, meter.counted(chunks))
        except BaseException:
            self.budget.give_back(meter.passed)
            await self.progress.add(-meter.passed)
            raise

    async def remember(self, source: str, record: SourceRecord) -> None:
        await self.store.put(_place(source), as_json(record))


class _Meter:
    """What has passed of one file."""

    def __init__(self, transfer: Transfer, source: str) -> None:
        self._transfer, self._source = transfer, source
        self.passed = 0

    async def counted(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            self._transfer.budget.spend(len(chunk), self._source)
            self.passed += len(chunk)
            await self._transfer.progress.add(len(chunk))
            yield chunk


def staged(name: str, blob: BlobRecord, *, reused: bool) -> Staged:
    return Staged(StoredFile(name=name, digest=blob.digest, size=blob.size, key=blob.key), reused)


def _place(source: str) -> str:
    return store_keys.dataset_source(hashlib.sha256(source.encode()).hexdigest())
