"""Events of a source are numbered without gaps, sent again after a crash under the same id, and a job ends once."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.envelope import Envelope, decode
from schemas.events import State
from schemas.events.image import ImagePublished, ImagePushing
from schemas.events.job import Image, JobCancelled, JobSucceeded
from services.common.ending import end_job, read_result
from services.common.journal import Journal
from services.common.object_store import ObjectStore, open_store
from services.common.settings import Settings

JOB = "default.a.0123456789ab"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
IMAGE = Image(reference="r/a:1", digest="sha256:1", size=1)


class Topic:
    """Remembers what was published; can lose the process at the n-th record."""

    def __init__(self) -> None:
        self.events: list[Envelope] = []
        self.die_at: int | None = None

    async def publish(
        self, topic: str, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]
    ) -> None:
        assert (topic, key) == ("tuning.events.v1", JOB.encode())
        if self.die_at == len(self.events):
            raise ConnectionError("the process died here")
        self.events.append(decode(value, headers))


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(Settings(home=tmp_path))


def journal(topic: Topic) -> Journal:
    clock = lambda: datetime(2026, 1, 1, tzinfo=UTC)  # noqa: E731
    return Journal(topic.publish, job_id=JOB, attempt=1, source="publisher", traceparent=TRACE, clock=clock)


async def test_events_are_numbered_and_carry_job_attempt_state_and_trace() -> None:
    topic = Topic()
    writer = journal(topic)
    for done in (10, 20):
        await writer.emit(ImagePushing, bytes=done, total_bytes=20)
    assert [event.id for event in topic.events] == [f"{JOB}:1:publisher:1", f"{JOB}:1:publisher:2"]
    data = topic.events[1].data or {}
    assert {name: data[name] for name in ("jobId", "attempt", "sequence", "state", "kaitoState", "traceId")} == {
        "jobId": JOB,
        "attempt": 1,
        "sequence": 2,
        "state": "publishing",
        "kaitoState": "Running",
        "traceId": "0af7651916cd43dd8448eb211c80319c",
    }
    assert topic.events[1].traceparent == TRACE


async def test_numbers_have_no_gap_when_events_are_emitted_side_by_side() -> None:
    topic = Topic()
    writer = journal(topic)
    await asyncio.gather(*(writer.emit(ImagePushing, bytes=n, total_bytes=9) for n in range(9)))
    assert [event.id.rsplit(":", 1)[1] for event in topic.events] == [str(n) for n in range(1, 10)]


@pytest.mark.parametrize("sent_before_death", [0, 1, 2])
async def test_whoever_goes_on_sends_the_last_event_again_and_counts_from_there(
    store: ObjectStore, sent_before_death: int
) -> None:
    topic = Topic()
    topic.die_at = sent_before_death
    first = await journal(topic).continue_from(store)

    async def push() -> None:
        for done in range(3):
            await first.emit(ImagePushing, bytes=done, total_bytes=3)

    with pytest.raises(ConnectionError):
        await push()
    topic.die_at = None
    second = await journal(topic).continue_from(store)
    await second.emit(ImagePublished, reference="r/a:1", digest="sha256:1", size=3)
    numbers = [int(event.id.rsplit(":", 1)[1]) for event in topic.events]
    assert sorted(set(numbers)) == list(range(1, sent_before_death + 3))
    assert topic.events[-1].type == "lorabus.image.published.v1"


async def test_a_job_ends_once_and_the_loser_repeats_the_winners_event(store: ObjectStore) -> None:
    topic = Topic()
    won = await end_job(store, journal(topic), JOB, 1, JobSucceeded, image=IMAGE)
    lost = await end_job(store, journal(topic), JOB, 1, JobCancelled)
    assert won == lost == await read_result(store, JOB)
    assert lost.state is State.SUCCEEDED
    assert [event.type for event in topic.events] == ["lorabus.job.succeeded.v1"] * 2
    assert topic.events[0] == topic.events[1]


async def test_many_enders_agree(store: ObjectStore) -> None:
    topic = Topic()
    ends = [end_job(store, journal(topic), JOB, n, JobCancelled, checkpoint_step=n) for n in range(1, 9)]
    results = await asyncio.gather(*ends)
    assert len({result.attempt for result in results}) == 1
