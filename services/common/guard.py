"""Outgoing HTTP connections that reach only addresses which everybody can reach.

A name is looked up once for each connection, its answers are judged, and the connection goes to one of the answers that
passed: what a name server says a moment later changes nothing. The socket factory judges the address again right before
the connect, so that literal addresses, and whatever path leads around the resolver, meet the same rule.
"""

import socket
from collections.abc import Collection
from ipaddress import ip_address
from ssl import SSLContext
from typing import TYPE_CHECKING

from aiohttp import TCPConnector, ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

from schemas.source_urls import is_allowed, refused_address

if TYPE_CHECKING:
    from aiohttp.connector import AddrInfoType


class AddressRefused(OSError):
    """The address is not globally reachable. An OSError, so that aiohttp closes what it had opened."""


def guarded_connector(
    allow: Collection[str] = (),
    *,
    resolver: AbstractResolver | None = None,
    connections: int = 32,
    tls: SSLContext | None = None,
) -> TCPConnector:
    """`allow` are `host` and `host:port` entries that may lie anywhere; `resolver` replaces the system's."""
    guard = _Guard(frozenset(entry.lower() for entry in allow), resolver or ThreadedResolver())
    return TCPConnector(
        resolver=guard,
        socket_factory=guard.open_socket,
        use_dns_cache=False,
        limit=connections,
        ssl=tls or True,
    )


def refusal(error: BaseException | None) -> AddressRefused | None:
    """The refusal inside what aiohttp raised, or None when something else went wrong."""
    while error is not None and not isinstance(error, AddressRefused):
        error = error.__cause__
    return error


class _Guard(AbstractResolver):
    """Resolver and socket factory of one connector."""

    def __init__(self, allow: frozenset[str], inner: AbstractResolver) -> None:
        self._allow = allow
        self._inner = inner
        self._exempt: set[tuple[str, int]] = set()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        answers = await self._inner.resolve(host, port, family)
        if is_allowed(host.lower().rstrip("."), port, self._allow):
            self._exempt.update((_plain(answer["host"]), port) for answer in answers)
            return answers
        refusals = {answer["host"]: _refused(answer["host"]) for answer in answers}
        reachable = [answer for answer in answers if refusals[answer["host"]] is None]
        if not reachable:
            raise AddressRefused(f"{host} leads to {next(iter(refusals.values()), 'no address')}")
        return reachable

    def open_socket(self, addr_info: "AddrInfoType") -> socket.socket:
        family, kind, protocol, _, address = addr_info
        host, port = _plain(str(address[0])), int(address[1])
        reason = _refused(host)
        if reason and (host, port) not in self._exempt and not is_allowed(host, port, self._allow):
            raise AddressRefused(reason)
        return socket.socket(family, kind, protocol)

    async def close(self) -> None:
        await self._inner.close()


def _plain(address: str) -> str:
    """The address without its IPv6 zone, in canonical spelling."""
    return str(ip_address(address.partition("%")[0]))


def _refused(address: str) -> str | None:
    return refused_address(ip_address(address.partition("%")[0]))
