"""A client of the HTTP API, for those who ask for nothing special."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.ingest.settings import IngestSettings
from tests.component.services.ingest.serving import Client, serving


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with serving(tmp_path, IngestSettings(home=tmp_path)) as client:
        yield client
