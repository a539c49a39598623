"""Requests to one registry: timeouts on everything, retries with jitter, redirects by hand, bounded answers."""

import asyncio
import random
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Self

import aiohttp
import stamina
from yarl import URL

from services.common.errors import StartError
from services.common.guard import guarded_connector
from services.common.registry.answers import Answer, fault, read_bounded
from services.common.registry.auth import Authenticator
from services.common.registry.descriptors import MAX_MANIFEST_BYTES
from services.common.registry.docker_config import Credential
from services.common.registry.errors import RegistryUnavailable
from services.common.registry.network import told
from services.common.registry.origins import Origin

Body = bytes | Callable[[], AsyncIterator[bytes]] | AsyncIterator[bytes] | None
"""Bytes, something that gives them anew for each try, or a stream that can be sent only once."""
Note = Callable[[str, str, float, int], None]
"""`note(method, outcome, seconds, sent)`: one request, its status or the name of its error, the bytes of its body."""
_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_REDIRECTS = 5
_MAX_SMALL_ANSWER = 256 * 1024


@dataclass(slots=True)
class _Count:
    """What has gone out of one body."""

    bytes: int = 0


class Transport:
    """One registry's connections and credentials. Use as `async with`."""

    def __init__(
        self,
        origin: Origin,
        credential: Credential | None = None,
        *,
        ca_file: Path | None = None,
        tries: int = 4,
        silence_seconds: float = 60.0,
        connections: int = 8,
        allow: Collection[str] | None = None,
        note: Note = lambda *_: None,
    ) -> None:
        """`silence_seconds` is the longest that either side may say nothing; `tries` counts the first one.

        With `allow`, only addresses that everybody can reach are connected to, but for these `host[:port]` entries.
        `note` is told of each request.
        """
        self.origin = origin
        self._auth = Authenticator(origin, credential, self._ask)
        self._ca_file = ca_file
        self._most_tries = tries
        self._silence = silence_seconds
        self._connections = connections
        self._allow = allow
        self._note = note
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the connection pool."""
        self._session = aiohttp.ClientSession(
            connector=self._connector(tls_context(self._ca_file)),
            timeout=aiohttp.ClientTimeout(total=None, connect=30, sock_connect=10, sock_read=self._silence),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"User-Agent": "lorabus", "Accept-Encoding": "identity"},
        )
        return self

    def _connector(self, tls: ssl.SSLContext | None) -> aiohttp.TCPConnector:
        if self._allow is None:
            return aiohttp.TCPConnector(limit=self._connections, ssl=tls or True)
        return guarded_connector(self._allow, connections=self._connections, tls=tls)

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def request(
        self,
        method: str,
        url: str,
        scope: str,
        *,
        what: str,
        ok: Collection[int],
        body: Body = None,
        headers: Mapping[str, str] | None = None,
        tries: int | None = None,
    ) -> Answer:
        """Send until an answer in `ok` comes; any other one is a `RegistryError` that says `what` was wanted."""
        async for attempt in self.tries(tries):
            with attempt:
                async with self._open(method, url, scope, body, headers or {}) as response:
                    answer = await self._answer(response, limit=MAX_MANIFEST_BYTES)
                if answer.status not in ok:
                    raise fault(self.origin.host, what, answer, self._auth.secrets)
        return answer

    def tries(self, most: int | None = None) -> AsyncIterable[AbstractContextManager[object]]:
        """Tries of something that may fail with `RegistryUnavailable`, with growing, random waits between them."""
        return stamina.retry_context(
            on=wait, attempts=most or self._most_tries, timeout=None, wait_initial=0.2, wait_max=5
        )

    @asynccontextmanager
    async def stream(
        self, url: str, scope: str, *, what: str, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open a large answer (200 or 206) for reading; it is not tried again, the caller knows how far it was."""
        async with self._open("GET", url, scope, None, headers or {}) as response:
            if response.status not in (200, 206):
                raise fault(self.origin.host, what, await self._answer(response), self._auth.secrets)
            yield response

    @asynccontextmanager
    async def _open(
        self, method: str, url: str, scope: str, body: Body, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        with told(self.origin.host):
            for _ in range(_MAX_REDIRECTS):
                response = await self._send_known(method, url, scope, body, headers)
                try:
                    location = response.headers.get("Location")
                    if method not in {"GET", "HEAD"} or response.status not in _REDIRECTS or not location:
                        yield response
                        return
                    url = self.origin.follow(location, url)
                finally:
                    response.release()
        raise RegistryUnavailable(self.origin.host, f"redirects more than {_MAX_REDIRECTS} times")

    async def _send_known(
        self, method: str, url: str, scope: str, body: Body, headers: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        """Send with what proves who we are, and once more when the registry asks for another proof."""
        if not self.origin.owns(url):
            return await self._send(method, url, body, headers)
        for last in (False, True):
            proof = await self._auth.header(scope)
            shown = {**headers, "Authorization": proof} if proof else headers
            response = await self._send(method, url, body, shown)
            challenges = response.headers.getall("WWW-Authenticate", [])
            if response.status != 401 or last or not await self._auth.learn(challenges, scope, proof):
                return response
            response.close()
            if isinstance(body, AsyncIterator):
                raise RegistryUnavailable(self.origin.host, "wants a new token; what was sent has to be sent again")
        raise AssertionError("the loop returns")

    async def _send(self, method: str, url: str, body: Body, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        began, outcome, sent = perf_counter(), "cancelled", _Count()
        try:
            async with asyncio.timeout(None) as limit:
                stream = body() if callable(body) else body
                data = self._watched(stream, limit, sent) if isinstance(stream, AsyncIterator) else stream
                response = await self._connected.request(
                    method, URL(url, encoded=True), data=data, headers=headers, allow_redirects=False
                )
            outcome = str(response.status)
        except Exception as error:
            outcome = type(error).__name__
            raise
        finally:
            self._note(method, outcome, perf_counter() - began, sent.bytes)
        return response

    async def _watched(
        self, body: AsyncIterator[bytes], limit: asyncio.Timeout, sent: "_Count"
    ) -> AsyncIterator[bytes]:
        """Give the body on; a registry that stops reading it is not waited for longer than `silence_seconds`."""
        loop = asyncio.get_running_loop()
        async for chunk in body:
            limit.reschedule(loop.time() + self._silence)
            yield chunk
            sent.bytes += len(chunk)
            limit.reschedule(None)

    @property
    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("a transport is used inside `async with`")
        return self._session

    async def _answer(self, response: aiohttp.ClientResponse, limit: int = _MAX_SMALL_ANSWER) -> Answer:
        body = await read_bounded(response, self.origin.host, limit)
        return Answer(response.status, response.headers, body, str(response.url))

    async def _ask(self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None) -> Answer:
        """One request to the token server."""
        with told(self.origin.host):
            async with self._connected.request(
                method, URL(url, encoded=True), headers=headers, data=form, allow_redirects=False
            ) as response:
                return await self._answer(response)


def wait(error: Exception) -> bool | float:
    """Whether to try again, and after how long when the registry said so (stamina adds no jitter to that)."""
    if not isinstance(error, RegistryUnavailable):
        return False
    return True if error.retry_after is None else error.retry_after + random.uniform(0, 1)  # noqa: S311


def tls_context(ca_file: Path | None) -> ssl.SSLContext | None:
    """The CA's context; without one aiohttp has its own, made once: reading all of the system's CAs takes 40 ms."""
    try:
        return None if ca_file is None else ssl.create_default_context(cafile=str(ca_file))
    except OSError as error:  # Also what ssl says of a file that holds no certificate.
        raise StartError(f"LORABUS_REGISTRY_CA_FILE {ca_file}: {error.strerror or error}") from error
