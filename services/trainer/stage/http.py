"""Files from HTTP servers that nobody vouches for.

Redirects are followed by hand, for each target is judged like the first URL; a connection that breaks is resumed where
the server can; a source that was there before is only asked whether it has changed.
"""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from ssl import SSLContext, create_default_context
from urllib.parse import urljoin
from urllib.request import getproxies, proxy_bypass

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, DummyCookieJar
from aiohttp.abc import AbstractResolver
from yarl import URL

from schemas.failures import Reason
from schemas.source_urls import RefusedUrl, SourceUrl, parse_source_url
from services.common.errors import UserError, WorldError
from services.common.guard import guarded_connector
from services.trainer.dataset.decode import DecodeError, Decoder, decoder_for
from services.trainer.stage import faults
from services.trainer.stage.files import SourceRecord
from services.trainer.stage.limits import check_ratio, paced
from services.trainer.stage.settings import StagingSettings

MAX_REDIRECTS = 5
_REDIRECTS = {301, 302, 303, 307, 308}
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


@dataclass(frozen=True, slots=True)
class Download:
    """An answer whose body is still to be read, from `offset` on. `size` is None when the server does not say it."""

    response: ClientResponse
    decoder: Decoder
    size: int | None
    offset: int = 0

    @property
    def etag(self) -> str | None:
        return _kept(self.response.headers.get("ETag"))

    @property
    def last_modified(self) -> str | None:
        return _kept(self.response.headers.get("Last-Modified"))


def open_session(settings: StagingSettings, resolver: AbstractResolver | None) -> ClientSession:
    """No cookies, no netrc, no proxies but those that `_proxy_for` finds, and only allowed addresses."""
    allow = [*settings.source_allow, *_proxy_hosts(settings)]
    return ClientSession(
        connector=guarded_connector(allow, resolver=resolver, tls=_tls(settings)),
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        read_bufsize=1024 * 1024,
        timeout=ClientTimeout(total=None, sock_connect=settings.source_silence, sock_read=settings.source_silence),
        headers={"User-Agent": "lorabus", "Accept": "*/*", "Accept-Encoding": "gzip, zstd, identity;q=0.5"},
    )


class HttpSource:
    """One URL. Every fault is a `JobError` that names it without its query."""

    def __init__(
        self,
        session: ClientSession,
        url: str,
        settings: StagingSettings,
        *,
        headers: Mapping[str, str] | None = None,
        authorization: str | None = None,
    ) -> None:
        """`headers` go with every request; `authorization` goes to the URL's own host and nowhere else."""
        self._headers = dict(headers or {})
        self._authorization = {"Authorization": authorization} if authorization else {}
        self._session = session
        self._settings = settings
        self.url = url
        self.label = faults.shown(url)

    async def open(self, stack: AsyncExitStack, known: SourceRecord | None, offset: int = 0) -> Download | None:
        """Ask for the file; None when it is still what `known` says. `stack` closes the answer.

        A server that can begins at `offset`: the download says whether it did.
        """
        headers = _conditions(known) | ({"Range": f"bytes={offset}-"} if offset else {})
        response = await self._tried(headers)
        stack.push_async_callback(_close, response)
        if response.status == 304:
            return None
        if response.status != 200 and not (offset and _begins_at(response, offset)):
            raise faults.bad_status(self.url, response.status)
        coding = response.headers.get("Content-Encoding", "")
        decoder = decoder_for(coding)
        if decoder is None:
            raise UserError(
                Reason.SOURCE_REFUSED, f"{self.label} came in coding {coding!r}; only gzip and zstd are read"
            )
        plain = coding.strip().lower() in ("", "identity")
        return Download(
            response, decoder, response.content_length if plain else None, 0 if response.status == 200 else offset
        )

    async def read(self, download: Download) -> AsyncIterator[bytes]:
        """The decoded bytes, whole: a body that ends early raises."""
        compressed = expanded = 0
        try:
            async for chunk in self._raw(download):
                compressed += len(chunk)
                for piece in download.decoder.feed(chunk):
                    expanded += len(piece)
                    check_ratio(compressed, expanded, self._settings.source_max_ratio, self.label)
                    yield piece
            download.decoder.finish()
        except DecodeError as error:
            raise UserError(
                Reason.DATASET_UNREADABLE, f"{self.label}: {error}; check the file at its source"
            ) from error

    async def _raw(self, download: Download) -> AsyncIterator[bytes]:
        """The bytes as they travel, over as many connections as it takes."""
        response, offset, failures = download.response, download.offset, 0
        while True:
            try:
                async for chunk in paced(response.content.iter_any(), self._settings):
                    offset += len(chunk)
                    failures = 0
                    yield chunk
            except (ClientError, TimeoutError, OSError) as error:
                failures += 1
                if failures >= self._settings.source_tries:
                    raise faults.unavailable(self.url, f"after {offset} bytes: {_why(error)}") from error
                await _close(response)
                await self._pause(failures)
                response = await self._resume(download, offset, error)
            else:
                await _close(response)
                return

    async def _resume(self, download: Download, offset: int, broken: Exception) -> ClientResponse:
        validator = download.etag if download.etag and not download.etag.startswith("W/") else download.last_modified
        if offset and validator is None:
            why = f"broke off after {offset} bytes and cannot be resumed without an ETag: {_why(broken)}"
            raise faults.unavailable(self.url, why) from broken
        headers = {"Range": f"bytes={offset}-", "If-Range": validator} if offset and validator else {}
        response = await self._tried(headers)
        same_coding = response.headers.get("Content-Encoding") == download.response.headers.get("Content-Encoding")
        fits = _begins_at(response, offset) if offset else response.ok
        if not (fits and same_coding):
            await _close(response)
            raise faults.unavailable(self.url, f"broke off after {offset} bytes and the server does not resume it")
        return response

    async def _tried(self, headers: dict[str, str]) -> ClientResponse:
        """Ask again for what may pass; a last failure is raised."""
        for attempt in range(1, self._settings.source_tries + 1):
            try:
                response = await self._followed(headers)
                if response.status < 500 and response.status not in (408, 425, 429):
                    return response
                await _close(response)
                raise faults.bad_status(self.url, response.status)
            except WorldError:
                if attempt == self._settings.source_tries:
                    raise
            await self._pause(attempt)
        raise AssertionError("the loop ends with an answer or an error")

    async def _followed(self, headers: dict[str, str]) -> ClientResponse:
        target = self._judged(self.url)
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._ask(target, headers)
            if response.status not in _REDIRECTS:
                return response
            location = response.headers.get("Location", "")
            await _close(response)
            target = self._judged(self._joined(str(target), location))
        raise UserError(Reason.SOURCE_REFUSED, f"{self.label} redirects more than {MAX_REDIRECTS} times")

    def _joined(self, base: str, location: str) -> str:
        try:
            return urljoin(base, location)
        except ValueError as error:
            raise UserError(Reason.SOURCE_REFUSED, f"{self.label} redirects to what is no URL: {error}") from error

    def _judged(self, url: str) -> SourceUrl:
        try:
            return parse_source_url(url, allow=self._settings.source_allow)
        except RefusedUrl as error:
            via = "" if url == self.url else f" (redirected to {faults.shown(url)})"
            raise UserError(Reason.SOURCE_REFUSED, f"{self.label}{via} is refused: {error}") from error

    async def _ask(self, target: SourceUrl, headers: dict[str, str]) -> ClientResponse:
        url = URL(str(target), encoded=str(target).isascii())
        mine = self._authorization if url.origin() == URL(self.url).origin() else {}
        try:
            async with asyncio.timeout(self._settings.source_silence):
                return await self._session.get(
                    url,
                    headers={**self._headers, **headers, **mine},
                    allow_redirects=False,
                    proxy=_proxy_for(target, self._settings),
                )
        except TimeoutError as error:
            why = f"no answer within {self._settings.source_silence:g} s"
            raise faults.unavailable(self.url, why) from error
        except (ClientError, OSError, ValueError) as error:
            raise faults.no_connection(str(target), error) from error

    async def _pause(self, failures: int) -> None:
        await asyncio.sleep(self._settings.source_wait * 2 ** (failures - 1) * random.uniform(0.5, 1.0))  # noqa: S311


def _tls(settings: StagingSettings) -> SSLContext | None:
    """None: the system's CAs, read once for all sessions."""
    if settings.source_ca_file is None:
        return None
    try:
        return create_default_context(cafile=str(settings.source_ca_file))
    except OSError as error:
        message = f"LORABUS_SOURCE_CA_FILE {settings.source_ca_file} cannot be used: {error}"
        raise WorldError(Reason.SOURCE_UNAVAILABLE, message) from error


def _kept(validator: str | None) -> str | None:
    """It is written down and sent back: only as text."""
    return validator if validator and validator.isascii() else None


def _begins_at(response: ClientResponse, offset: int) -> bool:
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return response.status == 206 and found is not None and int(found[1]) == offset


def _conditions(known: SourceRecord | None) -> dict[str, str]:
    if known is None:
        return {}
    if known.etag:
        return {"If-None-Match": known.etag}
    return {"If-Modified-Since": known.last_modified} if known.last_modified else {}


def _proxy_for(target: SourceUrl, settings: StagingSettings) -> str | None:
    if not settings.source_proxies or proxy_bypass(target.host):
        return None
    return getproxies().get(target.scheme)


def _proxy_hosts(settings: StagingSettings) -> list[str]:
    """Proxies lie inside; they are the operator's."""
    if not settings.source_proxies:
        return []
    found = [URL(proxy) for scheme, proxy in getproxies().items() if scheme in ("http", "https")]
    return [f"{url.host}:{url.port}" for url in found if url.host]


async def _close(response: ClientResponse) -> None:
    response.close()


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__
