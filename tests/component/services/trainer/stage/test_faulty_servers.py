"""Servers that fail, lie or attack: what is made of it, and that nothing is left behind."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from schemas.failures import Reason
from tests.component.services.trainer.stage.sources import (
    DIGEST,
    ROWS,
    Handler,
    Serve,
    Stage,
    fault_of,
    file_of,
    left_over,
)


async def test_a_broken_connection_is_resumed_where_it_broke(stage_urls: Stage, serve: Serve) -> None:
    ranges: list[str | None] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        ranges.append(request.headers.get("Range"))
        start = int((request.headers.get("Range") or "bytes=0-")[6:-1])
        end = min(start + 10_000, len(ROWS))
        headers = {"ETag": '"v1"', "Content-Length": str(len(ROWS) - start)}
        if start:
            assert request.headers["If-Range"] == '"v1"'
            headers["Content-Range"] = f"bytes {start}-{len(ROWS) - 1}/{len(ROWS)}"
        response = web.StreamResponse(status=206 if start else 200, headers=headers)
        await response.prepare(request)
        await response.write(ROWS[start:end])
        if end < len(ROWS) and request.transport is not None:
            request.transport.close()
        return response

    dataset = await stage_urls(f"{await serve(answer)}/train.jsonl")
    assert dataset.files[0].digest == DIGEST
    assert ranges[0] is None
    assert ranges[-1] == "bytes=30000-"


def cut(**headers: str) -> Handler:
    """The first 5000 bytes of the file, then nothing."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(ROWS)), **headers})
        await response.prepare(request)
        await response.write(ROWS[:5000])
        if request.transport is not None:
            request.transport.close()
        return response

    return answer


async def test_a_truncated_body_without_validators_is_the_worlds_fault_and_leaves_nothing(
    stage_urls: Stage, serve: Serve, settings_home: Path
) -> None:
    fault = await fault_of(stage_urls(f"{await serve(cut())}/train.jsonl"))
    assert fault.reason is Reason.SOURCE_UNAVAILABLE
    assert "5000 bytes" in fault.message
    assert left_over(settings_home) == []


async def test_a_file_that_changes_while_it_is_resumed_is_not_glued_together(stage_urls: Stage, serve: Serve) -> None:
    versions = iter(range(10))

    async def answer(request: web.Request) -> web.StreamResponse:
        return await cut(ETag=f'"v{next(versions)}"')(request)

    fault = await fault_of(stage_urls(f"{await serve(answer)}/train.jsonl"))
    assert "does not resume" in fault.message


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, Reason.SOURCE_UNAUTHORIZED),
        (403, Reason.SOURCE_UNAUTHORIZED),
        (404, Reason.SOURCE_NOT_FOUND),
        (410, Reason.SOURCE_NOT_FOUND),
        (418, Reason.SOURCE_REFUSED),
        (204, Reason.SOURCE_REFUSED),
        (500, Reason.SOURCE_UNAVAILABLE),
        (503, Reason.SOURCE_UNAVAILABLE),
        (429, Reason.SOURCE_UNAVAILABLE),
    ],
)
async def test_a_status_becomes_a_reason_that_names_the_url_without_its_secrets(
    stage_urls: Stage, serve: Serve, status: int, reason: Reason
) -> None:
    address = await serve(file_of(b"", status=status))
    fault = await fault_of(stage_urls(f"{address}/train.jsonl?sig=s3cret"))
    assert fault.reason is reason
    assert f"{address}/train.jsonl" in fault.message
    assert str(status) in fault.message
    assert "s3cret" not in fault.message


async def test_what_passes_is_tried_again(stage_urls: Stage, serve: Serve) -> None:
    answers = iter([503, 429, 200])

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=next(answers), body=ROWS)

    assert (await stage_urls(f"{await serve(answer)}/a.jsonl")).files[0].digest == DIGEST


async def test_no_bytes_at_all_is_an_empty_dataset(stage_urls: Stage, serve: Serve) -> None:
    fault = await fault_of(stage_urls(f"{await serve(file_of(b''))}/a.jsonl"))
    assert fault.reason is Reason.DATASET_EMPTY


async def test_an_endless_body_is_stopped_at_the_limit(stage_urls: Stage, serve: Serve, settings_home: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(65536))

    fault = await fault_of(stage_urls(f"{await serve(answer)}/a.jsonl", source_max_bytes=3_000_000))
    assert fault.reason is Reason.DATASET_TOO_LARGE
    assert left_over(settings_home) == []


async def test_a_size_that_is_too_large_is_refused_before_the_first_byte(stage_urls: Stage, serve: Serve) -> None:
    fault = await fault_of(stage_urls(f"{await serve(file_of())}/a.jsonl", source_max_bytes=1000))
    assert fault.reason is Reason.DATASET_TOO_LARGE
    assert "LORABUS_SOURCE_MAX_BYTES" in fault.message


async def test_a_source_that_drips_is_given_up(stage_urls: Stage, serve: Serve) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.01)

    fault = await fault_of(
        stage_urls(f"{await serve(answer)}/a.jsonl", source_silence=0.2, source_min_rate=100_000, source_tries=1)
    )
    assert fault.reason is Reason.SOURCE_UNAVAILABLE
    assert "100000 bytes a second" in fault.message


async def test_a_server_that_never_answers_is_given_up(stage_urls: Stage, serve: Serve) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    fault = await fault_of(stage_urls(f"{await serve(answer)}/a.jsonl", source_silence=0.1, source_tries=2))
    assert fault.reason is Reason.SOURCE_UNAVAILABLE
    assert "no answer within 0.1 s" in fault.message


async def test_nobody_there_is_the_worlds_fault(stage_urls: Stage, free_port: int) -> None:
    fault = await fault_of(stage_urls(f"http://127.0.0.1:{free_port}/a.jsonl", source_tries=1))
    assert fault.reason is Reason.SOURCE_UNAVAILABLE
    assert f"127.0.0.1:{free_port}" in fault.message


async def test_the_first_bad_source_stops_the_others(stage_urls: Stage, serve: Serve) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/missing.csv":
            return web.Response(status=404)
        await asyncio.Event().wait()
        raise AssertionError

    address = await serve(answer)
    async with asyncio.timeout(3):
        fault = await fault_of(stage_urls(f"{address}/slow.csv", f"{address}/missing.csv"))
    assert fault.reason is Reason.SOURCE_NOT_FOUND


async def test_the_whole_staging_has_a_limit_in_time(stage_urls: Stage, serve: Serve, settings_home: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(bytes(20 << 20))
        await asyncio.Event().wait()
        return response

    fault = await fault_of(stage_urls(f"{await serve(answer)}/a.jsonl", source_seconds=0.5))
    assert fault.reason is Reason.SOURCE_UNAVAILABLE
    assert "LORABUS_SOURCE_SECONDS" in fault.message
    assert left_over(settings_home) == []


@pytest.mark.parametrize(("target", "word"), [(b"http://a\xff/", "a\\udcff"), (b"http://[", "no URL")])
async def test_a_redirect_that_is_no_text_or_no_url_is_told(stage_urls: Stage, target: bytes, word: str) -> None:
    """The words of the fault could not be written into any event: each trainer that took the job ended."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + target + b"\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        fault = await fault_of(stage_urls(f"http://127.0.0.1:{port}/a.csv"))
    assert fault.reason is Reason.SOURCE_REFUSED
    assert word in fault.message
    assert fault.message.encode()
