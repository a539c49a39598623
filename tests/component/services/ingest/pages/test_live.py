"""What a person sees and does, live and without a reload: submit, watch, cancel, run again, find."""

from pathlib import Path

import pytest
import yaml
from playwright.async_api import Browser, Page, expect

from schemas import store_keys
from services.ingest.settings import IngestSettings
from tests.component.services.ingest.harness import workspace
from tests.component.services.ingest.pages.story import Story
from tests.component.services.ingest.serving import Client, serving

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_job_is_submitted_watched_and_cancelled(client: Client, page: Page) -> None:
    await page.goto(f"{client.address}/submit")
    await page.fill("#yaml", yaml.safe_dump(workspace()))
    await page.get_by_role("button", name="Submit").click()
    await page.wait_for_url("**/jobs/default.answers.*")
    story = Story(page.url.rsplit("/", 1)[-1])
    await client.bring()
    await expect(page.locator("#badge")).to_have_text("pending")
    await expect(page.locator("#ending")).to_contain_text("Waits for a trainer: 1 job waits")
    await client.bring(*story.begin(), *story.train(1, 24))
    await expect(page.locator("#summary")).to_contain_text("24 of 60")
    await expect(page.locator("#curves polyline.train")).to_have_count(1)
    await expect(page.locator("#curves path.dot.eval")).to_have_count(1)
    # A trainer owns the job, so ingest leaves its end to it.
    await client.world.store.create(store_keys.attempt(story.job_id, 1), b"{}")
    async with page.expect_navigation():
        await page.get_by_role("button", name="Cancel").click()
    await client.bring(*story.train(25, 26))
    await expect(page.locator("#badge")).to_have_text("cancelling")
    await expect(page.get_by_role("button", name="Cancel")).to_be_disabled()
    await client.bring(story.event("job.cancelled", state="cancelled"))
    await expect(page.locator("#badge")).to_have_text("cancelled")
    await expect(page.get_by_role("button", name="Cancel")).to_have_count(0)


async def test_a_waiting_job_is_cancelled_at_once(client: Client, page: Page) -> None:
    job = await client.submit(workspace())
    await client.bring()
    await page.goto(f"{client.address}/jobs/{job['jobId']}")
    async with page.expect_navigation():
        await page.get_by_role("button", name="Cancel").click()
    await client.bring()
    await expect(page.locator("#badge")).to_have_text("cancelled")


async def test_a_checked_workspace_shows_each_problem_at_its_line(client: Client, page: Page) -> None:
    text = yaml.safe_dump(workspace(method="full", preset={"name": "tinny"}))
    await page.goto(f"{client.address}/submit")
    await page.fill("#yaml", text)
    await page.get_by_role("button", name="Only check").click()
    line = 1 + text.splitlines().index("  method: full")
    await expect(page.locator("#problems")).to_contain_text(f"line {line} tuning.method")
    await expect(page.locator("#problems li")).to_have_count(2)
    assert await page.input_value("#yaml") == text
    assert client.world.sent.records == []
    await page.get_by_role("link", name=f"line {line}").click()
    chosen = "const box = document.activeElement; box.value.slice(box.selectionStart, box.selectionEnd)"
    assert await page.evaluate(chosen) == "  method: full"


async def test_yaml_that_cannot_be_read_says_where(client: Client, page: Page) -> None:
    await page.goto(f"{client.address}/submit")
    await page.fill("#yaml", "kind: Workspace\nmetadata: [")
    await page.get_by_role("button", name="Submit").click()
    await expect(page.locator("#problems")).to_contain_text("line ")


async def test_a_rejected_job_shows_why(client: Client, page: Page) -> None:
    refused = await client.submit(workspace(method="full", preset={"name": "tinny"}), status=422)
    await client.bring()
    await page.goto(f"{client.address}/jobs/{refused['jobId']}")
    told = page.get_by_role("alert")
    await expect(told).to_contain_text("Rejected: 2 problems")
    await expect(told).to_contain_text("tuning.method")
    await expect(told).to_contain_text("did you mean 'tiny'?")
    await expect(page.get_by_role("button", name="Run again")).to_have_count(0)


async def test_the_list_is_live_and_filtered(client: Client, page: Page) -> None:
    first = await client.submit(workspace("one"))
    story = Story(first["jobId"])
    await client.bring()
    await page.goto(f"{client.address}/")
    rows = page.locator("#rows tbody tr")
    await expect(rows).to_have_count(1)
    await page.locator("#rows a").focus()
    await client.submit(workspace("two"))
    await client.bring(*story.begin(), *story.train(1, 3))
    await expect(rows).to_have_count(2)
    await expect(rows.filter(has_text="one").locator("progress")).to_have_js_property("value", 3)
    await expect(page.locator("#why")).to_have_text(
        "Pending: waits for a free trainer: 1 job waits, 1 is being worked on"
    )
    # What had the focus has it still, though the list was replaced.
    await expect(page.locator(f"#job-{first['jobId']}".replace(".", "\\."))).to_be_focused()
    await page.get_by_role("link", name="pending").click()
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("two")


async def test_a_job_is_found_by_a_part_of_its_name_as_it_is_typed(client: Client, page: Page) -> None:
    for name in ("support-answers", "legal-answers", "poems"):
        await client.submit(workspace(name))
    await client.bring()
    await page.goto(f"{client.address}/")
    rows = page.locator("#rows tbody tr")
    await page.get_by_role("searchbox").press_sequentially("answers")
    await expect(rows).to_have_count(2)
    await page.wait_for_url("**/?q=answers")
    await page.get_by_role("searchbox").fill("nobody")
    await expect(page.locator("#rows")).to_contain_text("No job has “nobody” in its name")
    await client.submit(workspace("nobody-knew"))
    await client.bring()
    await expect(rows).to_have_count(1)


async def test_a_job_is_run_again(client: Client, page: Page) -> None:
    job = await client.submit(workspace())
    await client.bring()
    await page.goto(f"{client.address}/jobs/{job['jobId']}")
    await page.get_by_role("button", name="Run again").click()
    await page.wait_for_url(lambda url: "/jobs/" in url and not url.endswith(job["jobId"]))
    assert client.world.sent.types.count("job.accepted") == 2


async def test_the_example_is_accepted(client: Client, page: Page) -> None:
    await page.goto(f"{client.address}/submit")
    await page.get_by_role("link", name="Fill in an example").click()
    await page.get_by_role("button", name="Only check").click()
    await expect(page.locator("#problems")).to_have_text("Nothing is wrong with it.")


async def test_the_page_works_without_a_script(client: Client, browser: Browser) -> None:
    story = Story((await client.submit(workspace()))["jobId"])
    await client.bring(*story.begin(), *story.train(1, 4))
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{client.address}/jobs/{story.job_id}")
    await expect(page.locator("#summary")).to_contain_text("4 of 60")
    await page.get_by_role("button", name="Cancel").click()
    assert "job.cancelling" in client.world.sent.types
    await page.goto(f"{client.address}/?q=answers")
    await expect(page.locator("#rows tbody tr")).to_have_count(1)
    await context.close()


async def test_a_token_lets_a_browser_in(tmp_path: Path, browser: Browser) -> None:
    (tmp_path / "tokens").write_text("s3cret\n")
    settings = IngestSettings(home=tmp_path, api_tokens_file=tmp_path / "tokens")
    async with serving(tmp_path, settings, loopback=False) as client:
        page = await browser.new_page()
        await page.goto(f"{client.address}/")
        await page.fill("#token", "wrong")
        await page.get_by_role("button", name="Go on").click()
        await expect(page.get_by_role("alert")).to_contain_text("not known")
        await page.fill("#token", "s3cret")
        await page.get_by_role("button", name="Go on").click()
        await expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
        assert [cookie.get("httpOnly") for cookie in await page.context.cookies()] == [True]
        await page.close()
