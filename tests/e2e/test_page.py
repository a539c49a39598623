"""Proves that a person needs nothing but the page: a job is submitted in a real Chromium and watched to its end.

In the middle of its training ingest is killed and started again. The page says that the connection is lost, finds
ingest again by itself, and ends with what the whole job has to show, without a reload and without another host.
"""

import json
import os
import shutil
import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.e2e import requests
from tests.e2e.system import PATIENCE, System

STEPS = 30
pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def page(embedded: System) -> Iterator[Page]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "no Chromium: apt-get install chromium"
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(base_url=f"http://{embedded.status()['ingest']['address']}")
        page.set_default_timeout(PATIENCE * 1000)
        page.on("request", lambda request: asked.append(request.url))
        yield page
        home = page.evaluate("location.origin")
        browser.close()
    assert [url for url in asked if not url.startswith((home, "data:"))] == []


def test_a_job_is_submitted_and_watched_to_its_end_through_a_restart_of_ingest(embedded: System, page: Page) -> None:
    expect.set_options(timeout=PATIENCE * 1000)
    documents = requests.documents("watched", max_steps=STEPS, save_strategy="steps", save_steps=15, logging_steps=1)
    page.goto("/submit")
    page.fill("#yaml", "\n---\n".join(json.dumps(document) for document in documents))
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("#badge")).to_have_text("running")
    page.evaluate("window.sameDocument = true")

    before = embedded.status()["ingest"]
    os.kill(before["pid"], signal.SIGKILL)
    expect(page.locator("#connection")).to_be_visible()
    embedded.up()
    after = embedded.status()["ingest"]
    assert (after["address"], after["pid"] != before["pid"]) == (before["address"], True)

    expect(page.locator("#badge")).to_have_text("succeeded")
    expect(page.locator("#connection")).to_be_hidden()
    assert page.evaluate("window.sameDocument")
    expect(page.locator("#summary")).to_contain_text(f"{STEPS} of {STEPS}")
    for section in ("image", "curves", "comparison", "timeline", "dataset", "checkpoints"):
        expect(page.locator(f"#{section} h2").first).to_be_visible()
    expect(page.locator("#dataset rect.bar").first).to_be_attached()
    expect(page.locator("#recipe-pull")).to_contain_text("lorabus pull default.watched.")
    shown = page.locator("#events tr").count()
    page.reload()
    expect(page.locator("#events tr")).to_have_count(shown)
