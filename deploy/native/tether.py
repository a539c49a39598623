"""Become a server's command, tied to the parent's life: `python -I tether.py <parent pid or 0> command...`

Linux tells a child of its parent's death when it asked for that (PR_SET_PDEATHSIG) after the fork. Asking between
fork and exec inside the parent is unsafe once it has threads, so this small program asks and then becomes the server:
the pid stays the same. With 0 for the parent (a detached server), and where the system has no such call, it only execs.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to the parent given first, then exec the rest."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if parent and sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        # The parent may have died before we asked: then nobody would ever tell us.
        if os.getppid() != parent:
            sys.exit(1)
    try:
        os.execvp(command[0], command)  # noqa: S606
    except OSError as error:
        sys.exit(f"cannot start {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
