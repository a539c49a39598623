"""Why a job waits, in the words that the command and the status page share. Pure."""

from datetime import datetime
from math import ceil

from schemas.events.job import JobQueued


def pause(queued: JobQueued, queued_at: datetime, now: datetime) -> str | None:
    """What a job waits out before its next attempt may begin; None once it may."""
    left = (queued.retry_after or 0) - (now - queued_at).total_seconds()
    if left <= 0:
        return None
    why = ": ".join(filter(None, (queued.reason, queued.message)))
    return f"waits {length(left)} before attempt {queued.attempt + 1}{f' because of {why}' if why else ''}"


def queue(waiting: int, working: int) -> str:
    """What a job waits for that may begin: a trainer, among so many jobs that wait and that are being worked on."""
    wait = "1 job waits" if waiting == 1 else f"{waiting:,} jobs wait"
    if not working:
        return f"waits for a trainer: {wait} and none is being worked on; is a trainer running?"
    return f"waits for a free trainer: {wait}, {working:,} {'is' if working == 1 else 'are'} being worked on"


def length(seconds: float) -> str:
    """Seconds that are still to pass, rounded up."""
    whole = ceil(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
