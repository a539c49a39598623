"""Ingest's use cases on a store in memory, with a Kafka that is a list."""

import asyncio
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiokafka.structs import RecordMetadata
from obstore.store import MemoryStore

from schemas.admission.surroundings import ConfigMapLookup, Surroundings
from schemas.envelope import Envelope, decode
from schemas.events import EventData
from schemas.jobs import read
from schemas.topics import short_type
from services.common.kafka.producer import Headers
from services.common.object_store import ObjectStore
from services.ingest.accept import Acceptance
from services.ingest.cancel import Cancellation
from services.ingest.requests import Request
from services.ingest.tell import Teller

START = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
WORKSPACE: dict[str, Any] = {
    "apiVersion": "kaito.sh/v1beta1",
    "kind": "Workspace",
    "metadata": {"name": "answers"},
    "resource": {"instanceType": "Standard_NC24ads_A100_v4", "labelSelector": {"matchLabels": {"apps": "answers"}}},
    "tuning": {
        "preset": {"name": "tiny"},
        "method": "lora",
        "input": {"urls": ["https://data.example.com/rows.jsonl"]},
        "output": {"image": "registry.example.com/answers:1", "imagePushSecret": "push"},
    },
}


def workspace(name: str = "answers", **tuning: Any) -> dict[str, Any]:
    """A Workspace that is accepted, with parts of `tuning` replaced."""
    made = deepcopy(WORKSPACE)
    made["metadata"]["name"] = name
    made["tuning"] |= tuning
    return made


def request(value: Mapping[str, object], request_id: str = "r1", rerun: str | None = None) -> Request:
    """A request as a handler makes it."""
    return Request(request_id, START, value, rerun=rerun, raw=value)


class Clock:
    """A wall clock that moves a second with each look."""

    def __init__(self) -> None:
        self._at = START

    def __call__(self) -> datetime:
        self._at += timedelta(seconds=1)
        return self._at


@dataclass
class Sent:
    """Every record that was published, in order."""

    records: list[tuple[str, bytes | None, bytes | None, Headers]] = field(default_factory=list)

    async def publish(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> RecordMetadata:
        return await (await self.enqueue(topic, key, value, headers))

    async def enqueue(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers
    ) -> "asyncio.Future[RecordMetadata]":
        self.records.append((topic, key, value, headers))
        future: asyncio.Future[RecordMetadata] = asyncio.get_running_loop().create_future()
        future.set_result(RecordMetadata(topic, 0, None, len(self.records) - 1, 0, 0, 0))
        return future

    @property
    def envelopes(self) -> list[Envelope]:
        return [decode(value, headers) for _, _, value, headers in self.records]

    @property
    def events(self) -> list[EventData]:
        return [event for envelope in self.envelopes if (event := read(envelope))]

    @property
    def types(self) -> list[str]:
        return [short_type(envelope.type) for envelope in self.envelopes]


@dataclass
class World:
    """One ingest process."""

    store: ObjectStore
    sent: Sent
    acceptance: Acceptance
    cancellation: Cancellation


def world(
    store: ObjectStore | None = None,
    *,
    secrets: Sequence[str] = ("push",),
    maps: Mapping[str, dict[str, str]] | None = None,
) -> World:
    """Another process on the same store when one is given."""
    store = store or ObjectStore(MemoryStore(), "memory")
    sent, clock = Sent(), Clock()
    around = Surroundings(
        find_config_map=lambda _, name: ConfigMapLookup((maps or {}).get(name), "the test"),
        secret_exists=lambda name: name in secrets,
    )
    tell = Teller(sent)  # type: ignore[arg-type]
    return World(
        store, sent, Acceptance(store, around, tell, clock, lambda _, __: None), Cancellation(store, tell, clock)
    )
