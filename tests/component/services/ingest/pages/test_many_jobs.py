"""With 10,000 jobs a page has 50 of them, is as small as ever, says how many there are, and leads to all others."""

import pytest
from playwright.async_api import Page, expect

from bench.status_page import row
from schemas.events import State
from services.ingest.read_records import stored_job
from tests.component.services.ingest.serving import Client

pytestmark = pytest.mark.asyncio(loop_scope="session")

MANY = 10_000


async def test_ten_thousand_jobs_are_counted_paged_and_found(client: Client, page: Page) -> None:
    await client.jobs.model.apply([stored_job(row(number)) for number in range(MANY)], [], {})
    answer = await page.goto(f"{client.address}/")
    assert answer is not None
    assert len(await answer.body()) < 60_000
    rows = page.locator("#rows tbody tr")
    await expect(page.locator("#state-all")).to_have_text(f"all {MANY:,}")
    await expect(rows).to_have_count(50)
    await expect(rows.first).to_contain_text(f"answers-{MANY - 1}")
    await page.get_by_role("link", name="Older jobs").click()
    await expect(rows.first).to_contain_text(f"answers-{MANY - 51}")
    await page.get_by_role("link", name="failed").click()
    await expect(rows).to_have_count(50)
    await page.get_by_role("searchbox").fill("answers-4007")
    await expect(rows).to_have_count(1)
    # A change of any of them is seen at once.
    late = row(0).model_copy(update={"state": State.FAILED, "job_id": "a.answers-40077.b"})
    await client.jobs.model.apply([stored_job(late)], [], {})
    await expect(rows).to_have_count(2)
