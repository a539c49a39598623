"""The fault matrix: every request of a push fails once, in each way, and the image is whole all the same.

The tag moves last: whenever a push was broken off, a tag that is there shows a whole image.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import stamina
from aiohttp import web

from services.common.registry import upload
from tests.component.services.common.registry.fake_registry import FakeRegistry, Fault, running
from tests.component.services.publisher.harness import Bench, make_bench
from tests.component.services.publisher.jobs import adapter_files, to_image, trained_job, write_key, write_secret

FAULTS = {
    "500": Fault("status", 500),
    "429 with Retry-After": Fault("status", 429, (("Retry-After", "0"),)),
    "reset before": Fault("reset"),
    "cut in the middle": Fault("cut"),
    "answer lost": Fault("close", when="after"),
    "answer torn": Fault("torn", when="after"),
    "another protocol": Fault("rubbish"),
    "500 after the effect": Fault("status", 500, when="after"),
    "token refused": Fault("status", 401, (("WWW-Authenticate", 'Bearer realm="{realm}",service="fake"'),)),
    "session forgotten": Fault("forget"),
    "another digest": Fault("digest"),
    "silence": Fault("silence"),
}
Choose = Callable[[int, web.Request, FakeRegistry], Fault | None]


@pytest.fixture(autouse=True)
def at_once() -> Iterator[None]:
    """Without waits between tries."""
    with stamina.set_testing(True, attempts=4, cap=True):
        yield


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several chunks for a small layer, so that there are boundaries to fail at."""
    monkeypatch.setattr(upload, "CHUNK_BYTES", 150_000)
    monkeypatch.setattr(upload, "SMALL_BYTES", 1_000)


@pytest.fixture
async def registry() -> AsyncIterator[FakeRegistry]:
    async with running(FakeRegistry(auth="bearer")) as made:
        yield made


def fresh_bench(home: Path, registry: FakeRegistry) -> Bench:
    """With all that a push can bring: signatures and a ModelPack manifest, too."""
    bench = make_bench(
        home,
        insecure_registries=registry.address,
        publish_retry_seconds=5,
        registry_silence_seconds=1,
        signing_key_file=write_key(home),
        model_pack=True,
    )
    write_secret(bench.settings.secrets_dir, registry.address)
    return bench


async def push(home: Path, registry: FakeRegistry, choose: Choose | None = None) -> Bench:
    """Push a job's image to a registry that fails where `choose` says."""
    registry.fault = choose
    bench = fresh_bench(home, registry)
    await publish(bench, registry, "adapter")
    return bench


async def publish(bench: Bench, registry: FakeRegistry, name: str) -> None:
    output = to_image(f"{registry.address}/team/{name}:v1")
    record = await trained_job(bench.store, output, name=name, files=adapter_files(400_000))
    await bench.publisher().publish(record.job_id, 1)


async def push_beside(home: Path, registry: FakeRegistry, choose: Choose | None = None) -> Bench:
    """Push what a neighbour on the same registry has, so that it may be mounted, to one that has no blobs in common."""
    bench = fresh_bench(home, registry)
    await publish(bench, registry, "neighbour")
    for held in (registry.blobs, registry.manifests, registry.log, registry.authorizations):
        held.clear()
    registry.fault = choose
    await publish(bench, registry, "adapter")
    return bench


def is_whole(registry: FakeRegistry) -> bool:
    raw = registry.manifests.get("team/adapter:v1")
    if raw is None:
        return False
    manifest = json.loads(raw)
    named = [manifest["config"], *manifest["layers"]]
    return all(len(registry.blobs.get(entry["digest"], b"")) == entry["size"] for entry in named)


def failing_at(place: int, fault: Fault, registry: FakeRegistry) -> Choose:
    def choose(number: int, request: web.Request, _: FakeRegistry) -> Fault | None:
        if number != place:
            return None
        # A token that is refused at its first use is a user's fault (three blobs have one); later it has expired.
        proof = request.headers.get("Authorization", "")
        if fault.status == 401 and (
            not proof.startswith("Bearer") or registry.authorizations[:number].count(proof) < 3
        ):
            return None
        if fault.kind == "forget":
            registry.uploads.clear()
            return Fault("status", 500)
        if fault.kind == "digest":
            return Fault("status", 201, (("Docker-Content-Digest", f"sha256:{'0' * 64}"), ("Location", "/v2/x")))
        headers = tuple((name, value.format(realm=f"http://{registry.address}/token")) for name, value in fault.headers)
        return Fault(fault.kind, fault.status, headers, fault.when)

    return choose


async def at_each_place(registry: FakeRegistry, check: Callable[[int], Awaitable[None]], only: str = "") -> None:
    """Do it for each request of a whole push, several side by side: most of the time somebody waits for an answer."""
    places = [place for place, line in enumerate(registry.log) if only in line]
    assert places
    turns = asyncio.Semaphore(8)

    async def one(place: int) -> None:
        async with turns:
            await check(place)

    async with asyncio.TaskGroup() as group:
        for place in places:
            group.create_task(one(place))


@pytest.mark.parametrize("name", FAULTS)
async def test_one_fault_anywhere_in_a_push(tmp_path: Path, registry: FakeRegistry, name: str) -> None:
    plain = await push(tmp_path / "plain", registry)
    assert plain.types()[-1] == "job.succeeded"
    assert sum(line.startswith("PATCH") for line in registry.log) > 4
    digest = registry.tag("team/adapter", "v1")

    async def check(place: int) -> None:
        async with running(FakeRegistry(auth="bearer")) as broken:
            bench = await push(tmp_path / str(place), broken, failing_at(place, FAULTS[name], broken))
        failed = (name, place, registry.log[place], bench.last())
        assert bench.types()[-1] == "job.succeeded", failed
        assert is_whole(broken), failed
        assert broken.tag("team/adapter", "v1") == digest, failed

    await at_each_place(registry, check)


@pytest.mark.parametrize("name", FAULTS)
async def test_one_fault_while_a_neighbour_s_blob_is_mounted(tmp_path: Path, registry: FakeRegistry, name: str) -> None:
    await push_beside(tmp_path / "plain", registry)

    async def check(place: int) -> None:
        async with running(FakeRegistry(auth="bearer")) as broken:
            bench = await push_beside(tmp_path / str(place), broken, failing_at(place, FAULTS[name], broken))
        assert bench.types()[-1] == "job.succeeded", (name, place, registry.log[place], bench.last())
        assert is_whole(broken)

    await at_each_place(registry, check, only="mount=")


async def test_a_push_that_never_comes_through_leaves_no_tag(tmp_path: Path, registry: FakeRegistry) -> None:
    """From request N on everything fails; whatever N, there is no half image, and the job's failure is clear."""
    await push(tmp_path / "plain", registry)

    async def check(place: int) -> None:
        async with running(FakeRegistry(auth="bearer")) as broken:
            down = Fault("status", 500)
            bench = await push(tmp_path / str(place), broken, lambda number, *_: down if number >= place else None)
            assert bench.last()["reason"] == "RegistryUnavailable"
            assert "HTTP 500" in str(bench.last()["message"])
        assert is_whole(broken) or broken.tag("team/adapter", "v1") is None

    await at_each_place(registry, check)


async def test_a_publisher_that_is_killed_anywhere_is_followed_by_one_that_finishes(
    tmp_path: Path, registry: FakeRegistry
) -> None:
    """The first one is cancelled while it waits for the answer to request N, which is what a kill leaves behind."""
    await push(tmp_path / "plain", registry)
    digest = registry.tag("team/adapter", "v1")

    async def check(place: int) -> None:
        async with running(FakeRegistry(auth="bearer")) as other:
            bench = fresh_bench(tmp_path / str(place), other)
            output = to_image(f"{other.address}/team/adapter:v1")
            record = await trained_job(bench.store, output, files=adapter_files(400_000))
            reached = asyncio.Event()

            def hold(number: int, *_: object) -> Fault | None:
                if number != place:
                    return None
                reached.set()
                return Fault("silence")

            other.fault = hold
            first = asyncio.create_task(bench.publisher().publish(record.job_id, 1))
            async with asyncio.timeout(10):
                await reached.wait()
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            assert not any(other.uploads.values())
            other.fault = None
            await bench.publisher().publish(record.job_id, 1)
            assert other.tag("team/adapter", "v1") == digest
            assert is_whole(other)
        ids = [event.id for event in bench.sent]
        assert list(dict.fromkeys(ids)) == [f"{record.job_id}:1:publisher:{n + 1}" for n in range(len(set(ids)))]
        assert bench.types()[-1] == "job.succeeded"

    await at_each_place(registry, check)


async def test_a_blob_that_the_registry_cleared_away_before_the_manifest_came_is_pushed_again(
    tmp_path: Path, registry: FakeRegistry
) -> None:
    cleared: list[str] = []

    def clear(_: int, request: web.Request, at: FakeRegistry) -> Fault | None:
        if request.method == "PUT" and "/manifests/" in request.path and not cleared:
            cleared.extend(at.blobs)
            at.blobs.clear()
        return None

    bench = await push(tmp_path, registry, clear)
    assert cleared
    assert bench.types()[-1] == "job.succeeded"
    assert is_whole(registry)
