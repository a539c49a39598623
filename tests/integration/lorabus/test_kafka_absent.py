"""A broker that is not there, is mute, or lacks the topics: said soon, with its address."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator

import pytest

from lorabus.faults import UNREACHABLE, exit_code
from lorabus.kafka import open_reader, partitions_of
from lorabus.settings import CallerSettings
from lorabus.status_topic import open_status_topic
from services.common.errors import StartError, Unreachable


@pytest.fixture
async def mute_server() -> AsyncIterator[str]:
    """Takes connections and never says a word."""
    open_ones: set[asyncio.StreamWriter] = set()
    server = await asyncio.start_server(lambda _, writer: open_ones.add(writer), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    yield f"{host}:{port}"
    for writer in open_ones:
        writer.close()
    server.close()


async def told(address: str) -> str:
    began = time.monotonic()
    with pytest.raises(Unreachable) as caught:
        async with open_status_topic(CallerSettings(kafka=address)):
            pass
    assert time.monotonic() - began < 12
    assert exit_code(caught.value) == UNREACHABLE
    return str(caught.value)


async def test_a_closed_port_is_named() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

    assert f"Kafka at 127.0.0.1:{port} is not reachable" in await told(f"127.0.0.1:{port}")


async def test_a_mute_server_is_named_within_ten_seconds(mute_server: str) -> None:
    assert f"Kafka at {mute_server} is not reachable" in await told(mute_server)


async def test_a_missing_topic_is_said_with_the_way_out(settings: CallerSettings) -> None:
    with pytest.raises(StartError, match=r"has no topic no\.such\.topic: run `lorabus topics apply`"):
        await partitions_of("no.such.topic", settings)


async def test_a_reader_may_be_closed_as_soon_as_it_is_open(settings: CallerSettings) -> None:
    async with open_reader(settings) as consumer:
        assert consumer.assignment() == set()
