"""A record that nobody can read is put aside, however large it is."""

from aiokafka import ConsumerRecord
from aiokafka.errors import MessageSizeTooLargeError

from services.common.kafka.dead_letters import DeadLetters


async def test_a_record_without_room_for_the_reason_is_put_aside_by_its_place() -> None:
    """The refusal stopped the service, which met the record again at its start."""
    sent: list[tuple[bytes | None, bytes | None, dict[str, bytes]]] = []

    async def publish(_: str, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]) -> None:
        if len(value or b"") + sum(len(text) for _, text in headers) > 1_000:
            raise MessageSizeTooLargeError
        assert (key, value) != (None, None), "aiokafka takes no such record"
        sent.append((key, value, dict(headers)))

    record = ConsumerRecord("requests", 3, 41, 0, 0, b"k", b"x" * 900, None, -1, -1, [("theirs", b"y" * 90)])
    await DeadLetters(publish, "ingest").add(record, "no JSON")

    [(key, value, headers)] = sent
    assert (key, value) == (None, b"")
    assert headers["lorabus_dlq_left_out"] == b"900"
    assert (headers["lorabus_dlq_topic"], headers["lorabus_dlq_offset"]) == (b"requests", b"41")
    assert headers["lorabus_dlq_reason"] == b"no JSON"
