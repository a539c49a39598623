"""Trainers that read the same bad record, side by side or one start after the other, leave one dead letter."""

import asyncio
from pathlib import Path

import pytest
from aiokafka import ConsumerRecord

from schemas.failures import Reason
from services.common.errors import WorldError
from services.common.kafka.dead_letters import DeadLetters
from services.common.object_store import ObjectStore, open_store
from services.common.settings import Settings
from services.trainer.bad_rows import once


class Topic:
    """Takes dead letters, unless it is away."""

    def __init__(self) -> None:
        self.values: list[bytes | None] = []
        self.away = False

    async def publish(
        self, topic: str, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]
    ) -> None:
        if self.away:
            raise ConnectionError(topic)
        self.values.append(value)


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(Settings(home=tmp_path))


@pytest.fixture
def topic() -> Topic:
    return Topic()


def record(value: bytes = b"\xff", offset: int = 7) -> ConsumerRecord:
    return ConsumerRecord("tuning.jobs.v1", 3, offset, 0, 0, b"key", value, None, 0, 0, [])


def trainer(store: ObjectStore, topic: Topic) -> DeadLetters:
    return DeadLetters(once(store, topic.publish), "trainer")


async def test_many_trainers_and_many_starts_leave_one_letter(store: ObjectStore, topic: Topic) -> None:
    await asyncio.gather(*(trainer(store, topic).add(record(), "no event") for _ in range(5)))
    await trainer(store, topic).add(record(), "no event")
    assert topic.values == [b"\xff"]


async def test_every_bad_record_gets_its_own(store: ObjectStore, topic: Topic) -> None:
    letters = trainer(store, topic)
    for one in (record(), record(offset=8), record(b"other bytes where a new topic counts from 0 again")):
        await letters.add(one, "no event")
    assert len(topic.values) == 3


async def test_a_letter_that_could_not_be_sent_is_sent_by_the_next(store: ObjectStore, topic: Topic) -> None:
    topic.away = True
    with pytest.raises(ConnectionError):
        await trainer(store, topic).add(record(), "no event")
    topic.away = False
    await trainer(store, topic).add(record(), "no event")
    assert topic.values == [b"\xff"]


async def test_a_store_that_is_away_loses_no_letter(
    store: ObjectStore, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def create(*_: object) -> bool:
        raise WorldError(Reason.STORE_UNAVAILABLE, "away")

    monkeypatch.setattr(store, "create", create)
    await trainer(store, topic).add(record(), "no event")
    assert topic.values == [b"\xff"]
