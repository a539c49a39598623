"""What a failed connection means: an address that cannot work, or a network that may come back."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp

from services.common.errors import LorabusError
from services.common.guard import refusal
from services.common.registry.errors import RegistryError, RegistryRefused, RegistryUnavailable, plain

_NO_SUCH_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
_NOT_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"}


@contextmanager
def told(host: str) -> Iterator[None]:
    """Turn what aiohttp raises into a `RegistryError`; what our own body generator raised comes back as it was."""
    try:
        yield
    except (aiohttp.ClientError, OSError) as error:
        ours = _ours(error)
        raise ours or meaning(host, error) from error


def meaning(host: str, error: Exception) -> RegistryError:
    """The error's meaning, with the way out."""
    refused = refusal(error)
    if refused is not None:
        why = f"is refused: {refused}; the operator can allow it in LORABUS_SOURCE_ALLOW"
        return RegistryRefused(host, why)
    match error:
        case aiohttp.ClientConnectorDNSError() if _errno(error) in _NO_SUCH_NAME:
            return RegistryRefused(host, "no such host: nobody knows this name; check the image's reference")
        case aiohttp.ClientConnectorCertificateError():
            why = plain(str(error.certificate_error))
            return RegistryRefused(host, f"its certificate is not trusted ({why}); LORABUS_REGISTRY_CA_FILE names a CA")
        case aiohttp.ClientConnectorSSLError() if _tls_reason(error) in _NOT_TLS:
            return RegistryRefused(host, "does not speak TLS; LORABUS_INSECURE_REGISTRIES lists hosts for plain HTTP")
        case aiohttp.InvalidURL():
            return RegistryRefused(host, f"{plain(str(error))!r} is no address")
        case TimeoutError():
            return RegistryUnavailable(host, "does not answer in time")
        case _:
            return RegistryUnavailable(host, f"is not reachable: {plain(str(error)) or type(error).__name__}")


def _ours(error: BaseException | None) -> LorabusError | None:
    while error is not None and not isinstance(error, LorabusError):
        error = error.__cause__
    return error


def _errno(error: aiohttp.ClientConnectorDNSError) -> int | None:
    return error.os_error.errno


def _tls_reason(error: aiohttp.ClientConnectorSSLError) -> str | None:
    cause = error.os_error
    return cause.reason if isinstance(cause, ssl.SSLError) else None
