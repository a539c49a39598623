"""The errors of lorabus, as a tree.

LorabusError
+-- JobError              ends or interrupts a job; carries a code of `schemas.failures`
|   +-- UserError         the user's to mend: terminal at once, said in full, never retried
|   +-- WorldError        the world's: retried with backoff, counted, ended as AttemptsExhausted
+-- StartError            the process cannot run as configured; it says why and exits
    +-- Unreachable       a server is not there; names its address (exit code 3)
"""

from schemas.failures import Reason


class LorabusError(Exception):
    """Everything that lorabus raises on purpose."""


class JobError(LorabusError):
    """A job cannot go on. `message` is for its owner: what, where, the way out."""

    def __init__(self, reason: Reason, message: str) -> None:
        """Keep the code beside the words; what they quote of a server may be no text, which no event could hold."""
        self.reason = reason
        self.message = message.encode("utf-8", "backslashreplace").decode()
        super().__init__(self.message)

    @property
    def retryable(self) -> bool:
        """True when trying again may help."""
        return self.reason.retryable


class UserError(JobError):
    """Only the job's owner can mend it."""


class WorldError(JobError):
    """May pass: a network, a lost worker, a full disk."""


class StartError(LorabusError):
    """The process cannot run with these settings."""


class Unreachable(StartError):
    """A server does not answer."""

    def __init__(self, what: str, address: str, why: str = "") -> None:
        """Name the server and its address."""
        super().__init__(f"{what} at {address} is not reachable{f': {why}' if why else ''}")
        self.what = what
        self.address = address
