"""Who may speak to the HTTP API, decided before any route runs.

On a loopback address the danger is a web page that the user has open: it may not reach us under a name of its own
(DNS rebinding: `Host` must be this machine's), nor send a form from elsewhere (`Origin`, `Sec-Fetch-Site`). Where
tokens are set, everything but the two health checks and the page that takes a token needs one.
"""

import hmac
import re
from collections.abc import Iterable
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from services.common.errors import StartError
from services.ingest.http_problem import ProblemDetails, problem_response
from services.ingest.settings import IngestSettings, is_loopback

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/login", "/static/style.css"})
COOKIE = "lorabus_token"
_HOST = re.compile(r"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<name>[^:\[\]]+))(?::\d{1,5})?")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Tokens:
    """The tokens that are taken; none means that nobody needs one."""

    def __init__(self, tokens: Iterable[str] = ()) -> None:
        """Keep only their digests."""
        self._digests = tuple(sha256(token.encode()).digest() for token in tokens)

    @property
    def needed(self) -> bool:
        """True when there is any."""
        return bool(self._digests)

    def know(self, token: str) -> bool:
        """Compare with every one, so that the time tells nothing about which was near."""
        digest = sha256(token.encode("utf-8", "surrogateescape")).digest()
        return sum(hmac.compare_digest(digest, known) for known in self._digests) > 0


def read_tokens(settings: IngestSettings) -> Tokens:
    """Read the tokens; refuses to serve others than this machine without any."""
    host, _ = settings.http_host_and_port()
    if settings.api_tokens_file is None:
        if is_loopback(host):
            return Tokens()
        raise StartError(
            f"LORABUS_HTTP_ADDR {settings.http_addr} can be reached from other machines: set LORABUS_API_TOKENS_FILE "
            "to a file with one token a line, or use a loopback address"
        )
    tokens = _lines(settings.api_tokens_file)
    if not tokens:
        raise StartError(f"LORABUS_API_TOKENS_FILE {settings.api_tokens_file} holds no token")
    return Tokens(tokens)


class Guard:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, *, tokens: Tokens, loopback: bool) -> None:
        """`loopback` is true where only this machine can connect."""
        self._app, self._tokens, self._loopback = app, tokens, loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on or answer why not."""
        refusal = (
            self._refusal(scope["method"], scope["path"], Headers(scope=scope)) if scope["type"] == "http" else None
        )
        if refusal is None:
            await self._app(scope, receive, send)
            return
        headers = {"WWW-Authenticate": "Bearer"} if refusal.status == 401 else None
        answer = problem_response(refusal, headers)
        if refusal.status == 401 and "text/html" in Headers(scope=scope).get("accept", ""):
            answer = RedirectResponse("/login", 303)
        await answer(scope, receive, send)

    def _refusal(self, method: str, path: str, headers: Headers) -> ProblemDetails | None:
        host = headers.get("host", "")
        if self._loopback and not self._tokens.needed and not is_loopback(_host_name(host)):
            detail = f"the Host {host[:200]!r} is not this machine; use 127.0.0.1 or localhost"
            return ProblemDetails(title="Wrong host", status=421, detail=detail)
        if method not in SAFE_METHODS and _from_elsewhere(headers, host):
            detail = "the request comes from a page of another origin"
            return ProblemDetails(title="Cross-site request", status=403, detail=detail)
        if self._tokens.needed and path not in OPEN_PATHS and not self._tokens.know(_token(headers)):
            detail = "send `Authorization: Bearer <token>` with a token of LORABUS_API_TOKENS_FILE"
            return ProblemDetails(title="Token needed", status=401, detail=detail)
        return None


def _token(headers: Headers) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return cookie.value if cookie else ""


def _from_elsewhere(headers: Headers, host: str) -> bool:
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = headers.get("origin")
    try:
        return origin is not None and urlsplit(origin).netloc.lower() != host.lower()
    except ValueError:
        return True


def _host_name(host: str) -> str:
    found = _HOST.fullmatch(host)
    return (found["name"] or found["address"]).lower() if found else ""


def _lines(file: Path) -> list[str]:
    try:
        lines = [line.strip() for line in file.read_text().splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"LORABUS_API_TOKENS_FILE {file} cannot be read: {error}") from error
    return [line for line in lines if line and not line.startswith("#")]
