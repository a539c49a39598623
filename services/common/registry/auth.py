"""Proves to one registry who we are: basic passwords and bearer tokens, as the distribution token spec has them.

Tokens are kept by scope and renewed before they expire or when the registry no longer takes them.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import aiohttp
import orjson

from services.common.registry.answers import Answer, fault
from services.common.registry.challenge import Challenge, choose
from services.common.registry.docker_config import Credential
from services.common.registry.errors import NotAuthorized, RegistryUnavailable
from services.common.registry.origins import Origin

Ask = Callable[[str, str, Mapping[str, str], Mapping[str, str] | None], Awaitable[Answer]]
"""`ask(method, url, headers, form)` sends one request without credentials of its own and gives its small answer."""
_DEFAULT_LIFE, _MARGIN, _MAX_TOKEN = 60.0, 10.0, 64 * 1024


@dataclass(frozen=True, slots=True, repr=False)
class _Token:
    header: str
    until: float


class Authenticator:
    """Gives the `Authorization` header of a request to the registry, and learns from its challenges."""

    def __init__(
        self, origin: Origin, credential: Credential | None, ask: Ask, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` is monotonic."""
        self._origin = origin
        self._credential = credential
        self._ask = ask
        self._clock = clock
        self._challenge: Challenge | None = None
        self._tokens: dict[str, _Token] = {}
        self._lock = asyncio.Lock()

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that no message may hold."""
        tokens = tuple(token.header.partition(" ")[2] for token in self._tokens.values())
        return (*(self._credential.secrets if self._credential else ()), *tokens)

    async def header(self, scope: str) -> str | None:
        """The header to send, None while no challenge was met or nothing can be proved."""
        challenge = self._challenge
        if challenge is None:
            return None
        if challenge.scheme == "basic":
            return self._basic()
        async with self._lock:
            token = self._tokens.get(scope)
            if token is None or token.until <= self._clock():
                token = self._tokens[scope] = await self._fetch(challenge, scope)
            return token.header

    async def learn(self, challenges: list[str], scope: str, refused: str | None) -> bool:
        """Take in a 401. False when asking again cannot help: the header `refused` was the best that we have."""
        challenge = choose(challenges)
        if challenge is None or (challenge.scheme == "basic" and (self._basic() is None or refused == self._basic())):
            return False
        self._challenge = challenge
        token = self._tokens.get(scope)
        if token is not None and token.header == refused:
            del self._tokens[scope]
        return True

    def _basic(self) -> str | None:
        credential = self._credential
        if credential is None or not credential.password:
            return None
        return aiohttp.encode_basic_auth(credential.username, credential.password, encoding="utf-8")

    async def _fetch(self, challenge: Challenge, scope: str) -> _Token:
        realm = self._origin.follow(challenge.params["realm"], self._origin.url)
        service = challenge.params.get("service", "")
        credential = self._credential
        if credential is not None and credential.identity_token:
            form = {"grant_type": "refresh_token", "service": service, "scope": scope, "client_id": "lorabus"}
            answer = await self._ask("POST", realm, {}, {**form, "refresh_token": credential.identity_token})
        else:
            basic = self._basic()
            headers = {"Authorization": basic} if basic else {}
            answer = await self._ask("GET", _with_query(realm, service, scope), headers, None)
        if answer.status != 200:
            raise fault(self._origin.host, "the token server refuses", answer, self.secrets)
        return self._token(answer.body)

    def _token(self, body: bytes) -> _Token:
        try:
            answer = orjson.loads(body)
            text = answer.get("token") or answer.get("access_token")
            life = float(answer.get("expires_in") or _DEFAULT_LIFE)
        except (orjson.JSONDecodeError, AttributeError, TypeError, ValueError):
            raise RegistryUnavailable(self._origin.host, "the token server's answer is not readable") from None
        if not isinstance(text, str) or not text.isascii() or not text.isprintable() or len(text) > _MAX_TOKEN:
            raise NotAuthorized(self._origin.host, "the token server gives no token")
        return _Token(f"Bearer {text}", self._clock() + max(life - _MARGIN, life / 2))


def _with_query(realm: str, service: str, scope: str) -> str:
    # One scope parameter for each repository: the spec allows spaces, several token servers do not.
    asked = [*([("service", service)] if service else []), *(("scope", part) for part in scope.split(" "))]
    return f"{realm}{'&' if '?' in realm else '?'}{urlencode(asked)}"
