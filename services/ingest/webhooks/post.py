"""One request to an endpoint, which nobody vouches for: guarded address, no redirects, no cookies, no body read."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar
from aiohttp.abc import AbstractResolver
from yarl import URL

from services.common.guard import guarded_connector, refusal
from services.ingest.settings import IngestSettings
from services.ingest.webhooks.endpoints import Endpoint
from services.ingest.webhooks.message import CONTENT_TYPE, Message
from services.ingest.webhooks.schedule import seconds_of
from services.ingest.webhooks.signature import signed_headers

AT_ONCE = 4
"""Requests to one endpoint side by side."""
GONE = 410
_THROTTLED = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a status, or None and `why` nothing came."""

    status: int | None
    why: str = ""
    retry_after: float | None = None

    @property
    def taken(self) -> bool:
        """The endpoint has the event."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def throttled(self) -> bool:
        """The endpoint has too much to do; whatever is sent next would only add to it."""
        return self.status in _THROTTLED

    @property
    def said(self) -> str:
        """For logs."""
        return self.why or f"status {self.status}"


Post = Callable[[Message, str], Awaitable[Answer]]
"""Sends a message under a `traceparent`."""


@asynccontextmanager
async def open_post(
    settings: IngestSettings, endpoint: Endpoint, resolver: AbstractResolver | None = None
) -> AsyncIterator[Post]:
    """Connections of this endpoint's own, so that a slow one takes none from the others."""
    url = URL(str(endpoint.url), encoded=True)
    async with ClientSession(
        connector=guarded_connector(settings.source_allow, resolver=resolver, connections=AT_ONCE),
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        timeout=ClientTimeout(total=settings.webhooks_timeout_seconds),
        headers={"User-Agent": "lorabus", "Content-Type": CONTENT_TYPE},
    ) as session:

        async def post(message: Message, traceparent: str) -> Answer:
            now = datetime.now(UTC)
            headers = signed_headers(endpoint.secrets, message.id, message.body, now) | {"traceparent": traceparent}
            try:
                # The status is all that counts: leaving the block closes a connection whose answer goes on.
                async with session.post(url, data=message.body, headers=headers, allow_redirects=False) as response:
                    return Answer(response.status, retry_after=seconds_of(response.headers.get("Retry-After"), now))
            except TimeoutError:
                return Answer(None, f"no answer within {settings.webhooks_timeout_seconds:g} s")
            except (ClientError, OSError) as error:
                # The error's own text may hold the address with its query.
                return Answer(None, str(refusal(error) or type(error).__name__))

        yield post
