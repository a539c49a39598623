"""What the caller's side refuses or cannot go on with, and the exit code of each.

LorabusError                  1  (services.common.errors)
+-- Unreachable               3  a server does not answer
+-- BadFile                   2  a file cannot be read
+-- BadUsage                  2  the command or its environment is wrong
+-- BadInput                  1  the file was read, what it asks for is wrong
+-- NoSuchJob                 1
"""

from services.common.errors import LorabusError, Unreachable


class BadUsage(LorabusError):
    """The command line or a `LORABUS_*` variable is wrong; nothing was tried."""


class BadFile(BadUsage):
    """A file that was named cannot be read."""


class BadInput(LorabusError):
    """What was asked for cannot be done; the text names the thing and the way out."""


class NoSuchJob(LorabusError):
    """Nobody knows the job."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"no job {job_id!r} is known here; `lorabus jobs` lists those that are")
        self.job_id = job_id


DONE, FAILED, USAGE, UNREACHABLE, CANCELLED = 0, 1, 2, 3, 4


def exit_code(error: BaseException) -> int:
    """Give the exit code that stands for an expected fault."""
    match error:
        case Unreachable():
            return UNREACHABLE
        case BadUsage():
            return USAGE
        case _:
            return FAILED
