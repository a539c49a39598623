"""Records that nobody can read go to `tuning.dlq.v1` as they came, with the reason and where they stood.

Dead-lettering has a limit (idea: getsentry/arroyo, `DlqLimit`): past a share of what a consumer handles,
the fault is more likely ours or a producer's release than single records, so the process stops and says so.
"""

from collections import deque
from collections.abc import Awaitable, Callable

import structlog
from aiokafka import ConsumerRecord
from aiokafka.errors import MessageSizeTooLargeError

from schemas.topics import DEAD_LETTERS
from services.common.errors import LorabusError

log = structlog.get_logger()
WINDOW = 1000
Publish = Callable[[str, bytes | None, bytes | None, list[tuple[str, bytes]]], Awaitable[object]]


class Unreadable(LorabusError):
    """A record that no retry can make useful; it is dead-lettered with this text."""


def fault_of_ours(error: Exception) -> str:
    """Give the reason where a record is put aside for a fault that it brings to light, not for one of its own."""
    return f"a fault of lorabus: {type(error).__name__}: {error}"


class TooManyDeadLettersError(LorabusError):
    """More of the recent records were dead letters than the limit allows."""


class DeadLetters:
    """Publishes dead letters for one service and keeps their share of the last `WINDOW` records under a limit."""

    def __init__(self, publish: Publish, service: str, *, max_share: float = 0.5, at_least: int = 100) -> None:
        """`publish(topic, key, value, headers)` sends a record; the limit counts once `at_least` records were seen."""
        self._publish = publish
        self._service = service
        self._max_share = max_share
        self._at_least = at_least
        self._recent: deque[bool] = deque(maxlen=WINDOW)
        self.total = 0

    async def add(self, record: ConsumerRecord, reason: str) -> None:
        """Send one record away; its own headers stay, ours tell the rest."""
        headers = [(name, value) for name, value in record.headers if not name.startswith("lorabus_dlq_")]
        place = {"topic": record.topic, "partition": str(record.partition), "offset": str(record.offset)}
        told = {**place, "reason": reason[:2000], "service": self._service}
        ours = [(f"lorabus_dlq_{name}", text.encode()) for name, text in told.items()]
        # aiokafka sends no record with neither key nor value, though others do.
        value = b"" if record.key is None and record.value is None else record.value
        try:
            await self._publish(DEAD_LETTERS.name, record.key, value, [*headers, *ours])
        except MessageSizeTooLargeError:
            # As large as a record may be, it has no room for our headers: where it stood tells where to find it.
            left_out = ("lorabus_dlq_left_out", str(len(record.value or b"")).encode())
            await self._publish(DEAD_LETTERS.name, None, b"", [*ours, left_out])
        self.total += 1
        log.warning("dead letter", **told)

    def count(self, *, handled: int, dead: int) -> None:
        """Note a finished batch with `dead` dead letters in it; raise `TooManyDeadLettersError` past the limit."""
        self._recent.extend([True] * dead + [False] * (handled - dead))
        seen, share = len(self._recent), sum(self._recent) / max(1, len(self._recent))
        if seen >= self._at_least and share > self._max_share:
            raise TooManyDeadLettersError(
                f"{self._service} stops: {share:.0%} of the last {seen} records could not be read (limit "
                f"{self._max_share:.0%}); see `lorabus dlq list`"
            )
