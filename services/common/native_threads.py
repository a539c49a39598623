"""Lets the threads of native libraries leave Python before the interpreter ends.

Before Python 3.14 a foreign thread that wants the interpreter while it ends is ended itself, in the middle of Rust
code, and that aborts the process: a command that was done would exit with SIGABRT (cpython issue 87135). obstore's
threads come that late when their answer was the last thing that the process waited for.
"""

import sys
import threading
import time

PATIENCE = 2.0


def leave_python() -> None:
    """Return once no foreign thread runs Python code; register it with `atexit` where such threads begin."""
    deadline = time.monotonic() + PATIENCE
    while _foreign() and time.monotonic() < deadline:
        time.sleep(0.001)


def _foreign() -> set[int]:
    ours = {thread.ident for thread in threading.enumerate()}
    return {thread for thread in sys._current_frames() if thread not in ours}  # noqa: SLF001 - the documented way.
