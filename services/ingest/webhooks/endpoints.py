"""The operator's list of endpoints: who is told what, and under which keys.

Read once, when ingest starts; nothing that comes in a message ever names an endpoint.
"""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from schemas.events import EVENT_TYPES
from schemas.source_urls import RefusedUrl, SourceUrl, is_allowed, parse_source_url
from services.common.errors import StartError
from services.ingest.config_maps import NAME
from services.ingest.settings import IngestSettings

KEY = "webhook-secret"
PREFIX = "whsec_"
MIN_BYTES, MAX_BYTES = 24, 64
"""What the Standard Webhooks spec asks of a symmetric secret."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One receiver. No `types`, `namespaces` or `since` means all of them; `secrets` are in no text about it."""

    name: str
    url: SourceUrl = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    types: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()
    since: datetime | None = None


class Entry(BaseModel):
    """One entry of the file."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
    url: str
    secret: str
    types: list[str] = []
    namespaces: list[str] = []
    since: AwareDatetime | None = None


class _WrongError(ValueError):
    """What is wrong with a field: its name, then the words."""


def read_endpoints(settings: IngestSettings) -> tuple[Endpoint, ...]:
    """Give the endpoints; none without a file. What cannot be used is a `StartError` that names file and field."""
    file = settings.webhooks_file
    if file is None:
        return ()
    try:
        entries = TypeAdapter(list[Entry]).validate_python(yaml.safe_load(file.read_text()) or [])
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StartError(f"LORABUS_WEBHOOKS_FILE {file} cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise StartError(f"LORABUS_WEBHOOKS_FILE {file}: {place}: {first['msg']}") from None
    names = [entry.name for entry in entries]
    if len(set(names)) < len(names):
        raise StartError(f"LORABUS_WEBHOOKS_FILE {file}: two endpoints have the same name; each keeps its own place")
    try:
        return tuple(_endpoint(entry, settings) for entry in entries)
    except _WrongError as error:
        raise StartError(f"LORABUS_WEBHOOKS_FILE {file}: {error}") from error.__cause__


def _endpoint(entry: Entry, settings: IngestSettings) -> Endpoint:
    return Endpoint(
        name=entry.name,
        url=_url(entry, settings.source_allow),
        secrets=_secrets(entry, settings.secrets_dir),
        types=_types(entry),
        namespaces=frozenset(entry.namespaces),
        since=entry.since,
    )


def _url(entry: Entry, allow: Iterable[str]) -> SourceUrl:
    allowed = tuple(allow)
    try:
        url = parse_source_url(entry.url, allow=allowed)
    except RefusedUrl as error:
        # The words are those of data sources, the rule is the same.
        reason = str(error).replace("data source URL", "the address")
        raise _WrongError(f"{entry.name}.url: {reason}; LORABUS_SOURCE_ALLOW names exceptions") from error
    if url.scheme != "https" and not is_allowed(url.host, url.port, allowed):
        raise _WrongError(f"{entry.name}.url: must be https, for the signature does not hide the event")
    return url


def _types(entry: Entry) -> frozenset[str]:
    """`job.*` stands for every type of that family."""
    found: set[str] = set()
    for given in entry.types:
        family = given.removesuffix("*") if given.endswith(".*") else None
        fitting = {known for known in EVENT_TYPES if known == given or (family and known.startswith(family))}
        if not fitting:
            raise _WrongError(f"{entry.name}.types: there is no {given!r}; known are {', '.join(EVENT_TYPES)}")
        found |= fitting
    return frozenset(found)


def _secrets(entry: Entry, folder: Path) -> tuple[str, ...]:
    """The newest secret first: while one replaces another, each event is signed with both."""
    if not NAME.fullmatch(entry.secret):
        raise _WrongError(f"{entry.name}.secret: must be the name of a Secret, not a secret")
    file = folder / entry.secret / KEY
    try:
        secrets = tuple(file.read_text().split())
    except (OSError, UnicodeDecodeError) as error:
        raise _WrongError(f"{entry.name}.secret: {file} cannot be read: {type(error).__name__}") from error
    if not secrets or not all(_is_secret(secret) for secret in secrets):
        raise _WrongError(
            f"{entry.name}.secret: {file} must hold {PREFIX} and the base64 of {MIN_BYTES} to {MAX_BYTES} random "
            'bytes, as `echo "whsec_$(openssl rand -base64 32)"` makes it; several stand between blanks'
        )
    return secrets


def _is_secret(text: str) -> bool:
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return False
    return text.startswith(PREFIX) and MIN_BYTES <= len(key) <= MAX_BYTES
