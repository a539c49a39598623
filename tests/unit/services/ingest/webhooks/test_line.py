"""Whatever is delivered, committed, lost and read again, in any order: no event is skipped, each job's are in order."""

import asyncio
import json
from datetime import UTC, datetime

from aiokafka import ConsumerRecord
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.envelope import Envelope, encode
from services.ingest.webhooks.line import Line
from services.ingest.webhooks.message import Message

WANTED, UNWANTED = "lorabus.job.queued.v1", "lorabus.job.claimed.v1"


def topic(events: list[tuple[int, bool]]) -> list[ConsumerRecord]:
    """Records of two partitions; a job is a small number and lives in the partition of its parity."""
    ends, records = [0, 0], []
    for number, (job, wanted) in enumerate(events):
        job_id, partition = f"default.j{job}.0123456789ab", job % 2
        data: dict[str, object] = {"jobId": job_id, "attempt": 0, "sequence": number + 1, "state": "pending"}
        kind, event_id = WANTED if wanted else UNWANTED, f"{job_id}:0:ingest:{number + 1}"
        value, headers = encode(Envelope(kind, "ingest", data, job_id, event_id, datetime.now(UTC)))
        place = ("tuning.events.v1", partition, ends[partition], 0, 0)
        records.append(ConsumerRecord(*place, job_id.encode(), value, None, -1, -1, headers))
        ends[partition] += 1
    return records


class World:
    """A topic, its committed offsets, and an endpoint that answers when told to."""

    def __init__(self, records: list[ConsumerRecord]) -> None:
        self.parts = [[record for record in records if record.partition == number] for number in (0, 1)]
        self.committed, self.read = [0, 0], [0, 0]
        self.asked: list[tuple[Message, asyncio.Future[bool]]] = []
        self.delivered: list[Message] = []
        self.faults: list[BaseException] = []
        self.line = Line(lambda message: message.type == "job.queued", self.deliver, self.faults.append)

    async def deliver(self, message: Message) -> bool:
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.asked.append((message, answer))
        return await answer

    async def act(self, action: int) -> None:
        part = self.parts[action % 2]
        match action % 5:
            case 0 | 1:
                start = self.read[action % 2]
                self.line.take(part[start : start + 1 + action % 3])
                self.read[action % 2] = min(len(part), start + 1 + action % 3)
            case 2 if self.asked:
                message, answer = self.asked.pop(action % len(self.asked))
                if not answer.done():
                    self.delivered.append(message)
                    answer.set_result(True)
            case 3:
                self.commit()
            case 4:
                await self.line.let_go()
                self.read = list(self.committed)
        for _ in range(5):
            await asyncio.sleep(0)

    def commit(self) -> None:
        for number, offset in self.line.safe.items():
            self.committed[number] = offset
        known = {message.id for message in self.delivered}
        for number, offset in enumerate(self.committed):
            for record in self.parts[number][:offset]:
                headers = dict(record.headers)
                assert headers["ce_type"].decode() == UNWANTED or headers["ce_id"].decode() in known

    async def finish(self) -> None:
        """Read and deliver whatever is left."""
        for number, part in enumerate(self.parts):
            self.line.take(part[self.read[number] :])
        for _ in range(10_000):
            if not self.line.waiting:
                return
            await self.act(2)
        raise AssertionError(f"{self.line.waiting} events wait for ever")


events = st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=25)


@settings(max_examples=60, deadline=None)
@given(events, st.lists(st.integers(0, 400), max_size=60))
def test_no_event_is_skipped_and_each_jobs_are_in_order(given: list[tuple[int, bool]], actions: list[int]) -> None:
    async def story() -> None:
        world = World(topic(given))
        for action in actions:
            await world.act(action)
        await world.finish()
        world.commit()
        assert world.faults == []
        assert world.committed == [len(part) if part else 0 for part in world.parts]
        firsts = list(dict.fromkeys(message.id for message in world.delivered))
        for job in range(4):
            job_id = f"default.j{job}.0123456789ab"
            wanted = [f"{job_id}:0:ingest:{n + 1}" for n, (one, asked) in enumerate(given) if one == job and asked]
            assert [event for event in firsts if event.startswith(job_id)] == wanted
        assert all(json.loads(message.body)["id"] == message.id for message in world.delivered)

    asyncio.run(story())
