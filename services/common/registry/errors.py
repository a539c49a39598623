"""What can go wrong with a registry, as a tree. Facts are fields; the text is for the job's owner.

RegistryError
+-- RegistryRefused         the registry's no, or an address that cannot work: asking again does not help
|   +-- NotAuthorized       401 or 403, from the registry or its token server
|   +-- NotFound            404: no such repository, manifest or blob
+-- RegistryUnavailable     may pass: no answer, 429, 5xx, a broken or false answer
"""

from services.common.errors import LorabusError

MAX_TEXT = 300


class RegistryError(LorabusError):
    """`host` is the registry as the reference names it, `status` the HTTP status when there was one."""

    def __init__(self, host: str, text: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(f"registry {host}: {text}")
        self.host = host
        self.status = status
        self.retry_after = retry_after


class RegistryRefused(RegistryError):
    """Final."""


class NotAuthorized(RegistryRefused):
    """The credential, or its absence, does not allow it."""


class NotFound(RegistryRefused):
    """Not there."""


class RegistryUnavailable(RegistryError):
    """Worth another try, after `retry_after` seconds when the registry said so."""


def plain(text: str, limit: int = MAX_TEXT) -> str:
    """A stranger's text as it may stand in a message: one line, printable, short."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: limit * 4]).split())
    return line if len(line) <= limit else f"{line[:limit]}…"
