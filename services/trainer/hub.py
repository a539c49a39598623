"""Base weights from a model hub (Hugging Face's, or a mirror that speaks the same), at one commit.

Only config, tokenizer and safetensors are taken, by the rules that hold for datasets' sources: addresses judged as they
are connected to, limits on size, time and silence. What has arrived when a trainer dies is not fetched again. The
folder appears when every byte in it has the hash that the hub names.
"""

import asyncio
import errno
import fcntl
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

from aiohttp import ClientSession
from aiohttp.abc import AbstractResolver
from pydantic import ValidationError

from schemas.failures import Reason
from schemas.workspace import ModelRef
from services.common.base_models import missing, publish, weights
from services.common.errors import JobError, UserError, WorldError
from services.trainer.hub_content import fetch_content
from services.trainer.hub_files import HubFile, HubModel
from services.trainer.hub_settings import HubSettings
from services.trainer.stage.http import HttpSource, open_session
from services.trainer.stage.progress import OnProgress, Progress

_MAX_ANSWER = 16 << 20
_FIRST_ANSWER_SECONDS = 10.0
_LOOK_AT_THE_LOCK = 0.5


class HubSilent(Exception):  # It says why nobody answers.
    """Nobody answers at the hub's address: most likely this machine is not meant to reach it."""


async def fetch_model(
    model: ModelRef,
    folder: Path,
    settings: HubSettings,
    on_progress: OnProgress,
    *,
    resolver: AbstractResolver | None = None,
) -> None:
    """Make `folder` hold the model. Raises `HubSilent`, or a `JobError` that names the hub and the model."""
    part = folder.with_name(f"{folder.name}.part")
    folder.parent.mkdir(parents=True, exist_ok=True)
    host = urlsplit(settings.hub_url).netloc.rpartition("@")[2]
    allowed = settings.model_copy(update={"source_allow": (*settings.source_allow, host)})
    try:
        async with _alone(folder), open_session(allowed, resolver) as session, asyncio.timeout(settings.source_seconds):
            if missing(folder):
                part.mkdir(exist_ok=True)
                await _Fetch(session, model, part, allowed).run(Progress(on_progress))
                publish(part, folder)
    except TimeoutError as error:
        why = f"{model.repository} did not arrive within {settings.source_seconds:g} s (LORABUS_SOURCE_SECONDS)"
        raise WorldError(Reason.SOURCE_UNAVAILABLE, why) from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise WorldError(Reason.DISK_FULL, f"{part} has no room for {model.repository}: {error.strerror}") from error


class _Fetch:
    """One model on its way into `part`."""

    def __init__(self, session: ClientSession, model: ModelRef, part: Path, settings: HubSettings) -> None:
        self._session, self._model, self._part, self._settings = session, model, part, settings
        self._name = f"{settings.hub_url.rstrip('/')}/{model.repository} at {model.revision}"

    async def run(self, progress: Progress) -> None:
        listing = await self._listing()
        try:
            listing.check()
            await self._all(listing.small(), listing.sha, Progress(_nobody_listens))
            large = listing.named(await asyncio.to_thread(weights, self._part))
        except ValueError as error:
            raise UserError(Reason.MODEL_UNSUPPORTED, f"{self._name}: {error}") from error
        total = sum(file.size for file in large)
        self._check_room(total)
        progress.sources(1)
        progress.expect(self._name, total)
        await self._all(large, listing.sha, progress)
        await progress.finish()

    async def _listing(self) -> HubModel:
        patience = min(_FIRST_ANSWER_SECONDS, self._settings.source_silence)
        once = self._settings.model_copy(update={"source_tries": 1, "source_silence": patience})
        revision = quote(self._model.revision, safe="")
        source = self._source(f"api/models/{self._model.repository}/revision/{revision}?blobs=true", once)
        try:
            return HubModel.model_validate_json(await _whole(source))
        except ValidationError as error:
            first = error.errors()[0]
            why = f"{source.label} gave no list of files: {first['loc']}: {first['msg']}"
            raise WorldError(Reason.SOURCE_UNAVAILABLE, why[:500]) from error
        except JobError as error:
            # A fault without an answer has a cause, aiohttp's; a bad answer has none.
            if error.__cause__ is not None and error.reason is not Reason.SOURCE_REFUSED:
                raise HubSilent(error.message) from error
            raise self._refused(error) from error

    async def _all(self, files: Sequence[HubFile], commit: str, progress: Progress) -> None:
        """At the commit, so that a branch that moves meanwhile mixes nothing."""
        slots = asyncio.Semaphore(self._settings.source_parallel)

        async def one(file: HubFile) -> None:
            async with slots:
                source = self._source(f"{self._model.repository}/resolve/{commit}/{quote(file.name)}", self._settings)
                await fetch_content(source, file, self._part / file.name, progress)

        try:
            async with asyncio.TaskGroup() as group:
                for file in files:
                    group.create_task(one(file))
        except BaseExceptionGroup as failures:
            first = failures.exceptions[0]
            raise (self._refused(first) if isinstance(first, JobError) else first) from failures

    def _source(self, path: str, settings: HubSettings) -> HttpSource:
        token = settings.hub_token_file.read_text().strip() if settings.hub_token_file else None
        return HttpSource(
            self._session,
            f"{settings.hub_url.rstrip('/')}/{path}",
            settings,
            # What is packed on the way could not be resumed.
            headers={"Accept-Encoding": "identity"},
            authorization=f"Bearer {token}" if token else None,
        )

    def _refused(self, error: JobError) -> JobError:
        if error.reason not in (Reason.SOURCE_UNAUTHORIZED, Reason.SOURCE_NOT_FOUND):
            return error
        return UserError(
            Reason.MODEL_NOT_FOUND,
            f"{self._name} is not shown to this trainer: it is not there, private, or wants consent; a token in the "
            f"file that LORABUS_HUB_TOKEN_FILE names may open it ({error.message.partition(':')[0]})",
        )

    def _check_room(self, total: int) -> None:
        if total > self._settings.hub_max_bytes:
            why = f"{self._name} has {total} bytes, more than LORABUS_HUB_MAX_BYTES ({self._settings.hub_max_bytes})"
            raise UserError(Reason.MODEL_UNSUPPORTED, why)
        there = sum(path.stat().st_size for path in self._part.glob("*.safetensors*"))
        if total - there > shutil.disk_usage(self._part).free:
            raise WorldError(Reason.DISK_FULL, f"{self._part} has no room for the {total} bytes of {self._name}")


async def _whole(source: HttpSource) -> bytes:
    pieces, size = [], 0
    async with AsyncExitStack() as stack:
        download = await source.open(stack, None)
        if download is not None:
            async for piece in source.read(download):
                size += len(piece)
                if size > _MAX_ANSWER:
                    raise WorldError(Reason.SOURCE_UNAVAILABLE, f"{source.label} answers without an end")
                pieces.append(piece)
    return b"".join(pieces)


@asynccontextmanager
async def _alone(folder: Path) -> AsyncIterator[None]:
    """One process of this machine at a time fetches a model; the others find it complete."""
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(_LOOK_AT_THE_LOCK)
        yield


async def _nobody_listens(_done: int, _total: int | None) -> None:
    return None
