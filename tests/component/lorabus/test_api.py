"""What the command says when ingest does not do what it was asked."""

import aiohttp
import pytest
from aiohttp import web

from lorabus.api import Api
from lorabus.faults import BadUsage
from services.common.errors import LorabusError, Unreachable


@pytest.mark.parametrize(
    ("status", "fault", "words"),
    [
        (401, BadUsage, "LORABUS_API_TOKEN_FILE"),
        (503, Unreachable, "it answered 503: Kafka does not take the event"),
        (502, Unreachable, "it answered 502: Kafka does not take the event"),
    ],
)
async def test_an_answer_that_is_none_says_what_to_do(status: int, fault: type[LorabusError], words: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"detail": "Kafka does not take the event"}, status=status)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = "{}:{}".format(*runner.addresses[0][:2])
    try:
        async with aiohttp.ClientSession(f"http://{address}") as session:
            with pytest.raises(fault, match=words):
                await Api(session, address).cancel("default.a.0123456789ab")
    finally:
        await runner.cleanup()


async def test_nobody_there_is_said_in_words() -> None:
    async with aiohttp.ClientSession("http://127.0.0.1:1") as session:
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1 is not reachable: connection failed"):
            await Api(session, "127.0.0.1:1").job("default.a.0123456789ab")
