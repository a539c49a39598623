"""What tests of staging say of sources: a file that a server gives, the fault that comes of it, what is left behind."""

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from services.common.errors import JobError
from services.trainer.stage import StagedDataset

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]
Stage = Callable[..., Awaitable[StagedDataset]]

ROWS = b'{"prompt": "a", "completion": "b"}\n' * 1000
DIGEST = f"sha256:{hashlib.sha256(ROWS).hexdigest()}"


def file_of(body: bytes = ROWS, headers: dict[str, str] | None = None, status: int = 200) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body, headers=headers, status=status)

    return answer


async def fault_of(staging: Awaitable[StagedDataset]) -> JobError:
    with pytest.raises(JobError) as caught:
        await staging
    return caught.value


def left_over(home: Path) -> list[str]:
    """Uploads that no digest names."""
    named = "".join(path.read_text() for path in home.glob("store/datasets/sha256/*/blob.json"))
    return [path.name for path in home.glob("store/datasets/uploads/*/*") if path.parent.name not in named]
