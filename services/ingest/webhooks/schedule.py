"""When a delivery that has failed is tried again, and when it is given up. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_WAIT = 3600.0
FACTOR = 3.0
JITTER = 0.2
_MOST_STEPS = 20


@dataclass(frozen=True, slots=True)
class Schedule:
    """Waits `first_wait` seconds, then three times as long each time, up to an hour; ends at the age of `give_up`."""

    first_wait: float
    give_up: float

    def wait(self, failures: int, *, age: float, retry_after: float | None = None, chance: float = 0.5) -> float | None:
        """Give the seconds until the next try, or None to give up.

        `failures` counts the last one, `age` is the event's, `chance` in [0, 1) spreads those who failed together.
        The last try is made when the time is up; an event that was older already has had one.
        """
        if age >= self.give_up:
            return None
        backoff = min(LONGEST_WAIT, self.first_wait * FACTOR ** min(failures - 1, _MOST_STEPS))
        spread = backoff * (1 - JITTER + 2 * JITTER * chance)
        return min(max(spread, retry_after or 0.0), self.give_up - age)


def seconds_of(retry_after: str | None, now: datetime) -> float | None:
    """Read a `Retry-After` header: seconds or a date; None for anything else."""
    if not retry_after:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        due = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (due.replace(tzinfo=due.tzinfo or UTC) - now).total_seconds())
