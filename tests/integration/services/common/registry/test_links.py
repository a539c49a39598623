"""On a real registry behind a link that fails: uploads go on at the registry's offset, and memory stays small."""

import asyncio
import hashlib
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from deploy.native.toxiproxy import Link, Toxiproxy
from schemas.references import parse_reference
from services.common.registry.descriptors import LAYER_TAR, Descriptor
from services.common.registry.repository import open_repository
from services.common.registry.upload import push_blob

MEGABYTE = bytes(1024 * 1024)


class Zeros:
    """A large source that lies nowhere, in pieces with memory of their own; `read_from` tells where it was begun."""

    def __init__(self, megabytes: int) -> None:
        self.size = megabytes * len(MEGABYTE)
        self.digest: str | None = None
        self.read_from: list[int] = []

    async def read(self, offset: int) -> AsyncIterator[bytes]:
        self.read_from.append(offset)
        running = hashlib.sha256()
        for start in range(0, self.size, len(MEGABYTE)):
            running.update(MEGABYTE)
            if start + len(MEGABYTE) > offset:
                yield bytes(memoryview(MEGABYTE)[max(0, offset - start) :])
        self.digest = f"sha256:{running.hexdigest()}"


@pytest.fixture
def link(toxiproxy: Toxiproxy, registry_address: str) -> Iterator[Link]:
    made = toxiproxy.link(registry_address)
    yield made
    made.remove()


async def test_an_upload_that_is_cut_again_and_again_goes_on(link: Link) -> None:
    """The link breaks after every 30 MB; 100 MB come through, none of it from the start again."""
    link.add("limit_data", upstream=True, bytes=30_000_000)
    source = Zeros(100)
    reference = parse_reference(f"{link.address}/links/{uuid.uuid4().hex[:8]}:v1")
    async with asyncio.timeout(120), open_repository(reference, insecure=[link.address]) as remote:
        assert await push_blob(remote, source)
        assert source.digest is not None
        assert await remote.blob_size(source.digest) == source.size
    assert source.read_from[0] == 0
    assert len(source.read_from) >= 4
    assert source.read_from[1:] == sorted(set(source.read_from[1:]))
    assert source.read_from[1] > 0


async def test_a_download_that_is_cut_goes_on(link: Link, registry_address: str) -> None:
    path = f"links/{uuid.uuid4().hex[:8]}"
    source = Zeros(40)
    async with open_repository(parse_reference(f"{registry_address}/{path}:v1"), insecure=[registry_address]) as near:
        await push_blob(near, source)
    assert source.digest is not None
    wanted = Descriptor(media_type=LAYER_TAR, digest=source.digest, size=source.size)
    link.add("limit_data", bytes=15_000_000)
    async with open_repository(parse_reference(f"{link.address}/{path}:v1"), insecure=[link.address]) as far:
        length = 0
        async for chunk in far.blob(wanted):
            length += len(chunk)
    assert length == source.size


async def test_a_slow_link_with_delays_and_resets_is_no_harm(link: Link) -> None:
    link.add("latency", latency=50, jitter=40)
    source = Zeros(10)
    reference = parse_reference(f"{link.address}/links/{uuid.uuid4().hex[:8]}:v1")
    async with open_repository(reference, insecure=[link.address]) as remote:
        pushing = asyncio.create_task(push_blob(remote, source, chunk_bytes=1024 * 1024))
        for begun in range(3):
            async with asyncio.timeout(30):
                while len(source.read_from) <= begun:
                    await asyncio.sleep(0.01)
            link.cut()
            link.mend()
            link.add("latency", latency=20)
        assert await pushing
        # Each of the three was noticed, and the upload went on.
        assert len(source.read_from) == 4
        assert source.digest is not None
        assert await remote.blob_size(source.digest) == source.size


def test_memory_does_not_grow_with_the_blob(registry_address: str) -> None:
    """A process of its own pushes 1 MB and then 1 GB; its peak may rise by 64 MB."""
    script = (
        "import asyncio, sys\n"
        "from tests.integration.services.common.registry.test_links import peak_of_push\n"
        "print(asyncio.run(peak_of_push(sys.argv[1], 1)), asyncio.run(peak_of_push(sys.argv[1], 1024)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, registry_address], capture_output=True, text=True, timeout=200, check=True
    )
    small, large = map(int, done.stdout.split())
    assert large - small < 64 * 1024


async def peak_of_push(address: str, megabytes: int) -> int:
    """The process's peak memory in KiB after a push; what `getrusage` says begins with the parent's."""
    reference = parse_reference(f"{address}/links/{uuid.uuid4().hex[:8]}:v1")
    async with open_repository(reference, insecure=[address]) as remote:
        await push_blob(remote, Zeros(megabytes))
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])
