"""The child's end of the pipes: messages out, the wish to stop in."""

import os
import select
import signal
import time
from typing import BinaryIO

from services.trainer.children.messages import ChildMessage, Progress, encode

_FULL = 60.0


class Silence:
    """The channel of a process that has nothing to say and hears no wish to stop."""

    stopping = False

    def send(self, message: ChildMessage) -> None:
        """Nobody hears it."""


class Channel:
    """Writes messages without ever holding up the training for a slow parent: mere progress is dropped."""

    def __init__(self, pipe: BinaryIO, stop: int) -> None:
        """`stop` becomes readable, at its end, when the parent wants the child to stop or has died."""
        self._pipe = pipe.fileno()
        self._file = pipe
        self._stop = stop
        self._asked = False
        os.set_blocking(self._pipe, False)
        signal.signal(signal.SIGTERM, self._on_signal)

    def send(self, message: ChildMessage) -> None:
        """Send, or drop progress that nobody reads."""
        left = memoryview(encode(message))
        may_drop = isinstance(message, Progress) and not message.notes
        until = time.monotonic() + _FULL
        while left:
            if not select.select([], [self._pipe], [], 0.0 if may_drop else 1.0)[1]:
                if may_drop or time.monotonic() > until:
                    return
                continue
            left = left[os.write(self._pipe, left[: select.PIPE_BUF]) :]
            may_drop = False

    @property
    def stopping(self) -> bool:
        """True once the parent wants it; cheap enough to ask at every step."""
        if not self._asked and select.select([self._stop], [], [], 0)[0]:
            self._asked = True
        return self._asked

    def _on_signal(self, *_: object) -> None:
        self._asked = True
