"""A publisher without Kafka: its use case on a file store, with the events that it would send."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client import CollectorRegistry

from schemas.envelope import Envelope, decode
from schemas.topics import short_type
from services.common.object_store import ObjectStore, open_store
from services.publisher.metrics import Metrics
from services.publisher.packing import packing_of
from services.publisher.place import place_of
from services.publisher.publish import Publisher
from services.publisher.settings import PublisherSettings


@dataclass
class Bench:
    """A publisher's settings, store, sent events and what it asked of registries (method and bytes streamed)."""

    settings: PublisherSettings
    store: ObjectStore
    sent: list[Envelope] = field(default_factory=list)
    asked: list[tuple[str, int]] = field(default_factory=list)

    def publisher(self) -> Publisher:
        """A new publisher process, so to speak."""
        return Publisher(
            self.store,
            self.send,
            place_of(self.settings, self.store, lambda method, _, __, sent: self.asked.append((method, sent))),
            Metrics(CollectorRegistry()),
            packing_of(self.settings),
            self.settings.publish_retry_seconds,
        )

    async def send(self, topic: str, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]) -> None:
        """Take an event as Kafka would."""
        self.sent.append(decode(value, headers))

    def types(self) -> list[str]:
        """The events' types in order."""
        return [short_type(event.type) for event in self.sent]

    def last(self) -> Mapping[str, object]:
        """The last event's data."""
        data = self.sent[-1].data
        assert data is not None
        return data


def make_bench(home: Path, **settings: object) -> Bench:
    """A publisher on files below `home`."""
    chosen = PublisherSettings(home=home, **settings)  # type: ignore[arg-type]
    return Bench(chosen, open_store(chosen))
