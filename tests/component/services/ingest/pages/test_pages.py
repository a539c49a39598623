"""The status page in a real Chromium: what a person sees and does, live, without a reload or any other host."""

import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.async_api import Browser, Page, async_playwright, expect

from schemas.envelope import Envelope
from schemas.topics import full_type
from services.ingest.settings import IngestSettings
from tests.component.services.ingest.harness import workspace
from tests.component.services.ingest.test_http import Client, serving


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with serving(tmp_path, IngestSettings(home=tmp_path)) as client:
        yield client


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "no Chromium: apt-get install chromium"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest.fixture
async def page(browser: Browser, client: Client) -> AsyncIterator[Page]:
    """A page that fails the test when it asks another host, or its script or its security policy complains."""
    page = await browser.new_page()
    faults: list[str] = []
    home = address(client)
    page.on("request", lambda asked: None if asked.url.startswith((home, "data:")) else faults.append(asked.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None)
    yield page
    assert faults == []


def address(client: Client) -> str:
    return str(client.http._base_url).rstrip("/")


def event(job_id: str, kind: str, sequence: int, **data: Any) -> Envelope:
    head = {"jobId": job_id, "attempt": 1, "sequence": sequence}
    envelope_id = f"{job_id}:1:trainer:{sequence}"
    return Envelope(
        type=full_type(kind),
        source="trainer",
        subject=job_id,
        id=envelope_id,
        time=datetime.now(UTC),
        data={**head, **data},
    )


def running(job_id: str, steps: int) -> list[Envelope]:
    claimed = event(job_id, "job.claimed", 1, worker="w")
    figures = {"totalSteps": 10, "epoch": 0.5, "tokens": 1, "tokensPerSecond": 50.0}
    made = [event(job_id, "training.progress", 1 + n, step=n, loss=4.0 / n, **figures) for n in range(1, steps + 1)]
    return [claimed, *made]


async def test_a_job_is_submitted_watched_and_cancelled(client: Client, page: Page) -> None:
    await page.goto(f"{address(client)}/submit")
    await page.fill("#yaml", yaml.safe_dump(workspace()))
    await page.get_by_role("button", name="Submit").click()
    await page.wait_for_url("**/jobs/default.answers.*")
    job_id = page.url.rsplit("/", 1)[-1]
    await client.bring()
    await expect(page.locator("#summary .state")).to_have_text("pending")
    await client.bring(*running(job_id, 5))
    await expect(page.locator("#summary")).to_contain_text("step 5 of 10")
    await expect(page.locator("#curve polyline.train")).to_have_count(1)
    async with page.expect_navigation():
        await page.get_by_role("button", name="Cancel").click()
    await client.bring()
    await expect(page.locator("#summary .state")).to_have_text("cancelled")
    await expect(page.get_by_role("button", name="Cancel")).to_have_count(0)


async def test_a_rejected_workspace_shows_each_problem_at_its_line(client: Client, page: Page) -> None:
    text = yaml.safe_dump(workspace(method="full", preset={"name": "tinny"}))
    await page.goto(f"{address(client)}/submit")
    await page.fill("#yaml", text)
    await page.get_by_role("button", name="Check").click()
    line = 1 + text.splitlines().index("  method: full")
    await expect(page.locator("#problems")).to_contain_text(f"line {line} tuning.method")
    await expect(page.locator("#problems li")).to_have_count(2)
    assert await page.input_value("#yaml") == text
    assert client.world.sent.records == []


async def test_yaml_that_cannot_be_read_says_where(client: Client, page: Page) -> None:
    await page.goto(f"{address(client)}/submit")
    await page.fill("#yaml", "kind: Workspace\nmetadata: [")
    await page.get_by_role("button", name="Submit").click()
    await expect(page.locator("#problems")).to_contain_text("line ")


async def test_the_list_is_live_and_filtered(client: Client, page: Page) -> None:
    first = await client.submit(workspace("one"))
    await client.bring()
    await page.goto(f"{address(client)}/")
    await expect(page.locator("tbody tr")).to_have_count(1)
    await client.submit(workspace("two"))
    await client.bring(*running(first["jobId"], 3))
    await expect(page.locator("tbody tr")).to_have_count(2)
    await page.get_by_role("link", name="pending").click()
    await expect(page.locator("tbody tr")).to_have_count(1)
    await expect(page.locator("tbody")).to_contain_text("two")


async def test_a_job_is_run_again(client: Client, page: Page) -> None:
    job = await client.submit(workspace())
    await client.bring()
    await page.goto(f"{address(client)}/jobs/{job['jobId']}")
    await page.get_by_role("button", name="Run again").click()
    await page.wait_for_url(lambda url: "/jobs/" in url and not url.endswith(job["jobId"]))
    assert client.world.sent.types.count("job.accepted") == 2


async def test_the_page_works_without_a_script(client: Client, browser: Browser) -> None:
    job = await client.submit(workspace())
    await client.bring(*running(job["jobId"], 4))
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{address(client)}/jobs/{job['jobId']}")
    await expect(page.locator("#summary")).to_contain_text("step 4 of 10")
    await page.get_by_role("button", name="Cancel").click()
    assert "job.cancelling" in client.world.sent.types


async def test_it_fits_a_phone_and_the_keyboard_reaches_everything(client: Client, browser: Browser) -> None:
    job = await client.submit(workspace())
    await client.bring(*running(job["jobId"], 4))
    page = await browser.new_page(viewport={"width": 360, "height": 700}, color_scheme="dark")
    for path in ("/", f"/jobs/{job['jobId']}", "/submit", "/docs", "/asyncapi"):
        await page.goto(f"{address(client)}{path}")
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    await page.goto(f"{address(client)}/jobs/{job['jobId']}")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.className") == "skip"
    reachable = "[...document.querySelectorAll('button,a,input,textarea')]"
    unnamed = f"{reachable}.filter(found => !found.textContent.trim() && !found.labels?.length)"
    assert await page.evaluate(f"{unnamed}.length") == 0


async def test_a_token_lets_a_browser_in(tmp_path: Path, browser: Browser) -> None:
    (tmp_path / "tokens").write_text("s3cret\n")
    settings = IngestSettings(home=tmp_path, api_tokens_file=tmp_path / "tokens")
    async with serving(tmp_path, settings, loopback=False) as client:
        page = await browser.new_page()
        await page.goto(f"{address(client)}/")
        await page.fill("#token", "wrong")
        await page.get_by_role("button", name="Go on").click()
        await expect(page.get_by_role("alert")).to_contain_text("not known")
        await page.fill("#token", "s3cret")
        await page.get_by_role("button", name="Go on").click()
        await expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
        assert [cookie.get("httpOnly") for cookie in await page.context.cookies()] == [True]
