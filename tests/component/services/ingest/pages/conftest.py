"""One Chromium for all tests of the pages; each has its own ingest and its own page in it."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

from services.ingest.settings import IngestSettings
from tests.component.services.ingest.serving import Client, serving


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "no Chromium: apt-get install chromium"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with serving(tmp_path, IngestSettings(home=tmp_path)) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, client: Client) -> AsyncIterator[Page]:
    """A page that fails the test when it asks another host, or its script or its security policy complains."""
    context = await browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = await context.new_page()
    faults: list[str] = []
    home = client.address
    page.on("request", lambda asked: None if asked.url.startswith((home, "data:")) else faults.append(asked.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if _complains(said) else None)
    yield page
    await context.close()
    assert faults == []


def _complains(said: ConsoleMessage) -> bool:
    """An answer of 404 or 422 is no fault of the page."""
    return said.type == "error" and not said.text.startswith("Failed to load resource")
