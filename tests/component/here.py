"""A name server for which every name is this machine."""

import socket

from aiohttp.abc import AbstractResolver, ResolveResult


class Here(AbstractResolver):
    """Answers with 127.0.0.1 and the port that was asked for."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        return None
