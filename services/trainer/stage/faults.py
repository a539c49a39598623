"""What can go wrong with a source, in words for the job's owner."""

import socket
from ssl import SSLCertVerificationError
from urllib.parse import urlsplit

from aiohttp import ClientConnectorCertificateError, ClientConnectorDNSError

from schemas.failures import Reason
from services.common.errors import JobError, UserError, WorldError
from services.common.guard import refusal

_UNAUTHORIZED = {401, 403, 407}
_NOT_FOUND = {404, 410}
_PASSING = {408, 425, 429}


def shown(url: str) -> str:
    """A URL without what may be secret: user and password, and the query with its signatures and tokens."""
    parts = urlsplit(url)
    query = "?…" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{query}"


def bad_status(url: str, status: int) -> JobError:
    where = f"{shown(url)} answered {status}"
    if status in _UNAUTHORIZED:
        return UserError(
            Reason.SOURCE_UNAUTHORIZED,
            f"{where}: it wants to know who asks; use a signed URL that is still valid, an image or a volume",
        )
    if status in _NOT_FOUND:
        return UserError(Reason.SOURCE_NOT_FOUND, f"{where}: nothing is there; check the URL in a browser")
    if status >= 500 or status in _PASSING:
        return WorldError(Reason.SOURCE_UNAVAILABLE, where)
    return UserError(Reason.SOURCE_REFUSED, f"{where}, which is no file; give the URL of the file itself")


def no_connection(url: str, error: Exception) -> JobError:
    """Sorts what aiohttp raised before or during an answer."""
    refused = refusal(error)
    if refused is not None:
        return UserError(
            Reason.SOURCE_REFUSED,
            f"{shown(url)} is refused: {refused}; the operator can allow it in LORABUS_SOURCE_ALLOW",
        )
    if isinstance(error, ClientConnectorCertificateError | SSLCertVerificationError):
        return UserError(Reason.SOURCE_REFUSED, f"the certificate of {shown(url)} does not hold: {error}")
    if isinstance(error, ClientConnectorDNSError) and _no_such_name(error):
        return UserError(Reason.SOURCE_NOT_FOUND, f"{shown(url)}: there is no host of this name; check its spelling")
    return unavailable(url, str(error) or type(error).__name__)


def unavailable(url: str, why: str) -> WorldError:
    return WorldError(Reason.SOURCE_UNAVAILABLE, f"{shown(url)} could not be read: {why}")


def _no_such_name(error: ClientConnectorDNSError) -> bool:
    cause = error.__cause__
    return isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME
