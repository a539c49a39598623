"""The end of a child's log, which the child may have made endless, or replaced."""

import os
import stat
from pathlib import Path


def last_words(log: Path, most: int) -> str:
    """At most `most` bytes; nothing when it is no plain file any more."""
    try:
        descriptor = os.open(log, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, not a path.
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return ""
        file.seek(max(0, status.st_size - most))
        return file.read(most).decode(errors="replace")
