"""`lorabus serve`: become one service, as a container runs it."""

import os
import sys
from typing import NoReturn

from lorabus.faults import BadUsage
from lorabus.system import SERVICES


def serve(name: str) -> NoReturn:
    """Replace this process by the service: signals and the exit code are its own."""
    if name not in SERVICES:
        raise BadUsage(f"no service {name!r}: {', '.join(SERVICES)}")
    os.execv(sys.executable, (sys.executable, "-m", f"services.{name}"))  # noqa: S606 - our own module, no shell.
