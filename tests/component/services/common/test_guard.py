"""The guard stands between real connections and a real local server; the name server is ours, so that it can lie."""

import socket
from collections.abc import AsyncIterator, Iterator

import pytest
from aiohttp import ClientSession, web
from aiohttp.abc import AbstractResolver, ResolveResult

from services.common.guard import guarded_connector, refusal


class Names(AbstractResolver):
    """Answers with one scripted address after the other."""

    def __init__(self, *addresses: str) -> None:
        self.answers: Iterator[str] = iter(addresses)
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.asked.append(host)
        address = next(self.answers)
        answer = ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
        return [answer]

    async def close(self) -> None:
        return None


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=request.headers["Host"])

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def get(url: str, names: Names, *allow: str) -> str:
    async with ClientSession(connector=guarded_connector(allow, resolver=names)) as session, session.get(url) as answer:
        return await answer.text()


async def refused(url: str, names: Names, *allow: str) -> str:
    """What the guard said; aiohttp hides it behind an error of its own."""
    with pytest.raises(OSError, match="Cannot connect") as caught:
        await get(url, names, *allow)
    return str(refusal(caught.value))


async def test_an_allowed_name_reaches_a_local_server_under_its_own_name(port: int) -> None:
    assert await get(f"http://mirror.test:{port}/", Names("127.0.0.1"), "mirror.test") == f"mirror.test:{port}"


async def test_an_allowed_host_and_port_says_nothing_about_other_ports(port: int) -> None:
    said = await refused(f"http://mirror.test:{port}/", Names("127.0.0.1"), f"mirror.test:{port + 1}")
    assert "not globally reachable" in said


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.1.1"])
async def test_a_public_name_that_leads_inside_is_refused(port: int, address: str) -> None:
    assert f"{address} is in" in await refused(f"http://evil.test:{port}/", Names(address))


async def test_a_literal_address_passes_the_resolver_by_and_is_refused_at_the_socket(port: int) -> None:
    names = Names()
    assert "127.0.0.1 is in 127.0.0.0/8" in await refused(f"http://127.0.0.1:{port}/", names)
    assert names.asked == []


async def test_a_literal_address_can_be_allowed(port: int) -> None:
    assert await get(f"http://127.0.0.1:{port}/", Names(), f"127.0.0.1:{port}") == f"127.0.0.1:{port}"


async def test_a_name_is_looked_up_once_for_each_connection_and_judged_each_time(port: int) -> None:
    """Rebinding: nothing looks the name up again between the check and the connect."""
    names = Names("127.0.0.1", "127.0.0.1")
    for _ in range(2):
        assert "rebind.test leads to" in await refused(f"http://rebind.test:{port}/", names)
    assert names.asked == ["rebind.test", "rebind.test"]
