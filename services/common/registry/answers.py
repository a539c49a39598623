"""A registry's answers, judged: bounded, read as what they mean for us. Pure but for reading the body."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
import orjson
from multidict import CIMultiDictProxy

from services.common.registry.errors import (
    NotAuthorized,
    NotFound,
    RegistryError,
    RegistryRefused,
    RegistryUnavailable,
    plain,
)

MAX_RETRY_AFTER = 120.0
_PASSING = frozenset({408, 421, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer with a small body."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    url: str


async def read_bounded(response: aiohttp.ClientResponse, host: str, limit: int) -> bytes:
    """The body, or `RegistryUnavailable` when it has more than `limit` bytes."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit:
            raise RegistryUnavailable(host, f"answers with more than the {limit:,} bytes that are read")
    return bytes(body)


def fault(host: str, what: str, answer: Answer, secrets: Iterable[str] = ()) -> RegistryError:
    """The error that an answer means. What the registry said is quoted without any of `secrets`."""
    said = _said(answer.body)
    for secret in secrets:
        said = said.replace(secret, "[hidden]")
    text = f"{what}: HTTP {answer.status}{f' ({plain(said)})' if said.strip() else ''}"
    if answer.status in {401, 403}:
        return NotAuthorized(host, text, status=answer.status)
    if answer.status == 404:
        return NotFound(host, text, status=404)
    # A success of another kind than was asked for is a confused server's, not a no.
    if answer.status in _PASSING or answer.status > 504 or answer.status < 300:
        wait = retry_after(answer.headers.get("Retry-After"))
        return RegistryUnavailable(host, text, status=answer.status, retry_after=wait)
    return RegistryRefused(host, text, status=answer.status)


def retry_after(header: str | None) -> float | None:
    """Seconds to wait, from either form of the header, at most `MAX_RETRY_AFTER`."""
    if header is None or len(header) > 64:
        return None
    try:
        if re.fullmatch(r"\s*[0-9]+\s*", header):
            seconds = float(header)
        else:
            seconds = (parsedate_to_datetime(header).astimezone(UTC) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


def _said(body: bytes) -> str:
    """The registry's own words: codes and messages of the spec's error form, or the bare text."""
    try:
        errors = orjson.loads(body).get("errors") or [orjson.loads(body)]
        parts = [f"{error.get('code', '')}: {error.get('message', '')}".strip(": ") for error in errors[:3]]
        return "; ".join(part for part in parts if part)
    except (orjson.JSONDecodeError, AttributeError, TypeError, KeyError):
        return body[:1000].decode(errors="replace")
