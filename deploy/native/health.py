"""Is a server well? Each answer comes from a real request to it, named by a URL that can be recorded.

`http://host:port/path` must answer below 400, `kafka://host:port` must list itself as a live broker,
`tcp://host:port` must take a connection. No URL means that to be alive is all that can be asked.
"""

import http.client
import socket
import struct
from urllib.parse import urlsplit

METADATA_OF_ALL_TOPICS = struct.pack(">hhi", 3, 1, 1) + struct.pack(">h", 7) + b"lorabus" + struct.pack(">i", -1)
"""Kafka's Metadata request, version 1: key, version, correlation id, client id, null for all topics."""


def answers(url: str, *, timeout: float = 2.0) -> bool:
    """Whether the server behind the URL gives the answer that its scheme asks for; silence is no."""
    if not url:
        return True
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    try:
        if parts.scheme == "http":
            return _http(host, port, parts.path or "/", timeout)
        if parts.scheme == "kafka":
            return _kafka(host, port, timeout)
        socket.create_connection((host, port), timeout).close()
    except (OSError, http.client.HTTPException, struct.error, UnicodeDecodeError):
        return False
    return True


def _http(host: str, port: int, path: str, timeout: float) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < 400
    finally:
        connection.close()


def _kafka(host: str, port: int, timeout: float) -> bool:
    """A broker lists itself only once the controller has let it in, so the list says more than an open port."""
    with socket.create_connection((host, port), timeout) as connection:
        connection.settimeout(timeout)
        connection.sendall(struct.pack(">i", len(METADATA_OF_ALL_TOPICS)) + METADATA_OF_ALL_TOPICS)
        with connection.makefile("rb") as stream:
            (size,) = struct.unpack(">i", stream.read(4))
            return (host, port) in brokers(stream.read(size))


def brokers(response: bytes) -> set[tuple[str, int]]:
    """The addresses in a Metadata response, version 1: correlation id, then node id, host, port and rack of each."""
    _, count = struct.unpack_from(">ii", response)
    found, at = set(), 8
    for _ in range(count):
        (length,) = struct.unpack_from(">h", response, at + 4)
        at += 6
        host = response[at : at + length].decode()
        port, rack = struct.unpack_from(">ih", response, at + length)
        at += length + 6 + max(rack, 0)
        found.add((host, port))
    return found
