"""Which offset may be committed while records are worked on side by side. Pure."""


class OffsetTracker:
    """For one partition: an offset is safe once every record before it is done."""

    def __init__(self) -> None:
        """Start with nothing in flight."""
        self._in_flight: set[int] = set()
        self._next = -1

    def start(self, offset: int) -> None:
        """A record was taken; offsets come in rising order (a record that comes again counts anew)."""
        self._in_flight.add(offset)
        self._next = max(self._next, offset + 1)

    def done(self, offset: int) -> int:
        """A record is finished; gives the offset to commit (the next one to read)."""
        self._in_flight.discard(offset)
        return min(self._in_flight, default=self._next)
