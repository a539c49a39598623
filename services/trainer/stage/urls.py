"""One file behind a URL into the store, unless it is there already."""

from contextlib import AsyncExitStack
from urllib.parse import urlsplit

from aiohttp import ClientSession

from schemas.failures import Reason
from schemas.source_urls import RefusedUrl, split_pin
from services.common.errors import UserError
from services.trainer.dataset.names import name_of
from services.trainer.stage import faults
from services.trainer.stage.blobs import find_blob
from services.trainer.stage.files import BlobRecord, SourceRecord
from services.trainer.stage.http import Download, HttpSource
from services.trainer.stage.transfer import Staged, Transfer, staged


async def stage_url(session: ClientSession, text: str, number: int, transfer: Transfer) -> Staged:
    """`#sha256=<hex>` at the end of the URL pins its bytes; `number` counts from 1, for files without a name."""
    try:
        url, pin = split_pin(text)
    except RefusedUrl as error:
        raise UserError(Reason.SOURCE_REFUSED, str(error)) from error
    fallback = f"source-{number}"
    if pin is not None and (blob := await find_blob(transfer.store, pin)):
        transfer.progress.expect(fallback, 0)
        return staged(name_of(urlsplit(url).path, None, None, fallback=fallback), blob, reused=True)
    known = await transfer.known(url)
    source = HttpSource(session, url, transfer.settings)
    async with AsyncExitStack() as stack:
        download = await source.open(stack, known[0] if known else None)
        if download is None and known is not None:
            transfer.progress.expect(fallback, 0)
            return staged(known[0].name, _as_pinned(known[1], pin, url), reused=True)
        if download is None:
            raise faults.unavailable(url, "it answered 304 although nothing was known of it")
        name = _name(url, download, fallback)
        if download.size is not None:
            transfer.budget.check(download.size, source.label)
            transfer.progress.expect(fallback, download.size)
        blob = await transfer.copy(source.label, name, source.read(download))
    _refuse_empty(blob, source.label)
    record = SourceRecord(name=name, digest=blob.digest, etag=download.etag, last_modified=download.last_modified)
    await transfer.remember(url, record)
    return staged(name, _as_pinned(blob, pin, url), reused=False)


def _name(url: str, download: Download, fallback: str) -> str:
    headers = download.response.headers
    return name_of(
        urlsplit(url).path, headers.get("Content-Disposition"), headers.get("Content-Type"), fallback=fallback
    )


def _as_pinned(blob: BlobRecord, pin: str | None, url: str) -> BlobRecord:
    if pin is not None and blob.digest != pin:
        raise UserError(
            Reason.SOURCE_REFUSED,
            f"{faults.shown(url)} has the digest {blob.digest}, the request pins {pin}; correct the pin or the file",
        )
    return blob


def _refuse_empty(blob: BlobRecord, label: str) -> None:
    if blob.size == 0:
        raise UserError(Reason.DATASET_EMPTY, f"{label} answered with no bytes at all")
