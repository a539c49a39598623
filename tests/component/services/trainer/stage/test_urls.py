"""URLs into a file store, from servers as they are and as they should not be."""

import asyncio
import gzip
import hashlib
from pathlib import Path

import pytest
import zstandard
from aiohttp import web

from schemas.failures import Reason
from services.common.object_store import ObjectStore
from tests.component.services.trainer.stage.sources import DIGEST, ROWS, Serve, Stage, fault_of, file_of, left_over


async def test_a_file_arrives_whole_under_its_digest(stage_urls: Stage, serve: Serve, store: ObjectStore) -> None:
    dataset = await stage_urls(f"{await serve(file_of())}/folder/train.jsonl?download=true")
    (file,) = dataset.files
    assert (file.name, file.digest, file.size) == ("train.jsonl", DIGEST, len(ROWS))
    assert await store.get(file.key) == ROWS
    assert not dataset.reused


async def test_several_files_keep_their_order_and_get_names_of_their_own(stage_urls: Stage, serve: Serve) -> None:
    async def answer(request: web.Request) -> web.Response:
        await asyncio.sleep(0 if request.path == "/b/x.csv" else 0.05)
        return web.Response(text=request.path)

    address = await serve(answer)
    dataset = await stage_urls(f"{address}/a/x.csv", f"{address}/b/x.csv", f"{address}/c/X.csv")
    assert [file.name for file in dataset.files] == ["x.csv", "x~2.csv", "X~3.csv"]
    assert [file.digest for file in dataset.files] == [
        f"sha256:{hashlib.sha256(path.encode()).hexdigest()}" for path in ("/a/x.csv", "/b/x.csv", "/c/X.csv")
    ]


async def test_the_same_bytes_from_two_sources_are_stored_once(
    stage_urls: Stage, serve: Serve, settings_home: Path
) -> None:
    address = await serve(file_of())
    dataset = await stage_urls(f"{address}/a.jsonl", f"{address}/b.jsonl", source_parallel=1)
    assert dataset.files[0].key == dataset.files[1].key
    assert len(list(settings_home.glob("store/datasets/uploads/*/*"))) == 1


@pytest.mark.parametrize(
    ("sent", "condition"),
    [
        ({"ETag": '"v1"'}, ("If-None-Match", '"v1"')),
        ({"Last-Modified": "Sat, 01 Nov 2025 10:00:00 GMT"}, ("If-Modified-Since", "Sat, 01 Nov 2025 10:00:00 GMT")),
    ],
)
async def test_an_unchanged_source_costs_one_conditional_request(
    stage_urls: Stage, serve: Serve, sent: dict[str, str], condition: tuple[str, str]
) -> None:
    bodies = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal bodies
        if request.headers.get(condition[0]) == condition[1]:
            return web.Response(status=304)
        bodies += 1
        return web.Response(body=ROWS, headers=sent)

    url = f"{await serve(answer)}/train.jsonl"
    first, second = await stage_urls(url), await stage_urls(url)
    assert bodies == 1
    assert (first.digest, first.reused, second.reused) == (second.digest, False, True)


async def test_a_changed_source_is_fetched_again(stage_urls: Stage, serve: Serve) -> None:
    versions = iter(["1", "2"])

    async def answer(request: web.Request) -> web.Response:
        version = next(versions)
        return web.Response(text=version, headers={"ETag": f'"{version}"'})

    url = f"{await serve(answer)}/train.csv"
    assert (await stage_urls(url)).digest != (await stage_urls(url)).digest


async def test_a_pinned_file_that_is_stored_is_not_even_asked_for(stage_urls: Stage, serve: Serve) -> None:
    asked = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(body=ROWS)

    url = f"{await serve(answer)}/train.jsonl#sha256={DIGEST.removeprefix('sha256:')}"
    await stage_urls(url)
    assert (await stage_urls(url)).reused
    assert asked == 1


async def test_a_pin_that_does_not_match_is_said(stage_urls: Stage, serve: Serve) -> None:
    fault = await fault_of(stage_urls(f"{await serve(file_of())}/train.jsonl#sha256={'0' * 64}"))
    assert fault.reason is Reason.SOURCE_REFUSED
    assert DIGEST in fault.message
    assert "0" * 64 in fault.message


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(ROWS)),
        ("gzip", gzip.compress(ROWS[:100]) + gzip.compress(ROWS[100:])),
        ("zstd", zstandard.compress(ROWS)),
        ("zstd", zstandard.compress(ROWS[:100]) + zstandard.compress(ROWS[100:])),
    ],
)
async def test_transfer_codings_are_undone(stage_urls: Stage, serve: Serve, coding: str, body: bytes) -> None:
    address = await serve(file_of(body, {"Content-Encoding": coding}))
    assert (await stage_urls(f"{address}/a.jsonl")).files[0].digest == DIGEST


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_a_compressed_body_that_ends_early_is_unreadable(stage_urls: Stage, serve: Serve, coding: str) -> None:
    body = (gzip.compress(ROWS) if coding == "gzip" else zstandard.compress(ROWS))[:-5]
    fault = await fault_of(stage_urls(f"{await serve(file_of(body, {'Content-Encoding': coding}))}/a.jsonl"))
    assert fault.reason is Reason.DATASET_UNREADABLE
    assert "ends too early" in fault.message


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_a_bomb_is_stopped_by_how_far_it_expands(
    stage_urls: Stage, serve: Serve, settings_home: Path, coding: str
) -> None:
    zeros = bytes(80 << 20)
    body = gzip.compress(zeros, 6) if coding == "gzip" else zstandard.compress(zeros)
    fault = await fault_of(stage_urls(f"{await serve(file_of(body, {'Content-Encoding': coding}))}/a.jsonl"))
    assert fault.reason is Reason.DATASET_UNREADABLE
    assert "200 times" in fault.message
    assert left_over(settings_home) == []
