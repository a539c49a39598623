"""Everything that a job's page has to show of a job with two attempts that succeeded, and of those that did not."""

import json
from pathlib import Path

import pytest
import yaml
from playwright.async_api import Page, expect

from schemas.failures import Reason
from services.ingest.pages.links import Links
from services.ingest.settings import IngestSettings
from tests.component.services.ingest.harness import workspace
from tests.component.services.ingest.pages.story import DIGEST, IMAGE, TRACE, Story, whole_story
from tests.component.services.ingest.serving import Client, serving

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def copied(page: Page, button: str) -> str:
    await page.get_by_role("button", name=button).click()
    await expect(page.get_by_role("button", name=button)).to_have_text("Copied")
    text: str = await page.evaluate("navigator.clipboard.readText()")
    return text


async def test_a_job_that_succeeded_shows_everything(client: Client, page: Page) -> None:
    job = await client.submit(workspace())
    await client.bring(*whole_story(job["jobId"]))
    await page.goto(f"{client.address}/jobs/{job['jobId']}")
    expected = {
        "#badge": "succeeded",
        "#summary": "60 of 60",
        "#curves": "evaluation 0.61",
        "#comparison": "Perplexity",
        "#dataset": "rows.jsonl:17/messages/1/role",
        "#checkpoints": "5.3 MB",
        "#events": "job.succeeded",
    }
    for place, words in expected.items():
        await expect(page.locator(place)).to_contain_text(words)
    await expect(page.locator("#curves line.base")).to_have_count(1)
    await expect(page.locator("#curves line.resume")).to_have_count(1)
    await expect(page.locator("#curves line.mark")).to_have_count(4)
    await expect(page.locator("#curves polyline.speed")).to_have_count(1)
    await expect(page.locator("#dataset rect.bar")).to_have_count(10)
    await expect(page.locator("#dataset mark").last).to_have_text("Return the absolute value.")
    await expect(page.locator("#comparison .sample").first).to_contain_text("as expected")
    timeline = page.locator("#timeline")
    await expect(timeline.get_by_role("rowheader", name="Attempt 2")).to_contain_text("goes on from step 30")
    await expect(timeline).to_contain_text("attempt 1 ended: StoreUnavailable")
    await expect(timeline.locator("rect.training")).to_have_count(2)


async def test_the_lines_to_copy_are_what_their_programs_take(client: Client, page: Page) -> None:
    job = await client.submit(workspace())
    await client.bring(*whole_story(job["jobId"]))
    await page.goto(f"{client.address}/jobs/{job['jobId']}")
    assert await copied(page, "Copy the reference") == IMAGE["reference"]
    assert await copied(page, "Copy the digest") == DIGEST
    assert await copied(page, "Copy the command that pulls the adapter") == f"lorabus pull {job['jobId']} -o ./answers"
    (adapter,) = yaml.safe_load(await copied(page, "Copy the KAITO Workspace"))["inference"]["adapters"]
    assert adapter["source"] == {"name": "answers", "image": IMAGE["reference"], "imagePullSecrets": ["push"]}
    assert "--lora-modules answers=./answers" in await copied(page, "Copy the vLLM command")


async def test_a_failure_leads_to_its_explanation_on_this_host(client: Client, page: Page) -> None:
    story = Story((await client.submit(workspace()))["jobId"])
    await client.bring(*story.begin(), story.fail("DatasetInvalid", "rows.jsonl: 40 of 100 rows cannot be used"))
    await page.goto(f"{client.address}/jobs/{story.job_id}")
    await expect(page.get_by_role("alert")).to_contain_text("Running it again unchanged will fail again.")
    await page.get_by_role("link", name="What DatasetInvalid means").click()
    assert page.url == f"{client.address}/docs/errors.md#datasetinvalid"
    await expect(page.locator(":target")).to_have_text("DatasetInvalid")


async def test_every_failure_code_has_its_place_on_the_page(client: Client, page: Page) -> None:
    await page.goto(f"{client.address}/docs/errors.md")
    anchors = set(await page.evaluate("[...document.querySelectorAll('h3')].map(heading => heading.id)"))
    assert {reason.help.partition("#")[2] for reason in Reason} <= anchors


async def test_a_pause_says_how_long_and_why(client: Client, page: Page) -> None:
    story = Story((await client.submit(workspace()))["jobId"])
    await client.bring(*story.begin(), *story.again(seconds=3600))
    await page.goto(f"{client.address}/jobs/{story.job_id}")
    told = page.locator("#ending")
    await expect(told).to_contain_text("Waits 5")
    await expect(told).to_contain_text("before attempt 2 because of StoreUnavailable: the store at s3://lorabus")


async def test_trace_logs_and_events_are_linked(tmp_path: Path, page: Page) -> None:
    (tmp_path / "logs").mkdir()
    links = Links("http://zipkin.example/traces/{trace_id}", None, tmp_path / "logs")
    async with serving(tmp_path, IngestSettings(home=tmp_path), links=links) as client:
        story = Story((await client.submit(workspace()))["jobId"])
        lines = [{"event": "staged", "trace_id": TRACE}, {"event": "other"}, {"event": "owned", "job": story.job_id}]
        (tmp_path / "logs" / "trainer.log").write_text("\n".join(json.dumps(line) for line in lines))
        await client.bring(*story.begin())
        async with client.http.get(f"/jobs/{story.job_id}") as answer:
            text = await answer.text()
        assert f'href="http://zipkin.example/traces/{TRACE}"' in text
        assert f'href="/jobs/{story.job_id}/logs"' in text
        assert f'href="/v1/jobs/{story.job_id}/events"' in text
        async with client.http.get(f"/jobs/{story.job_id}/logs") as answer:
            found = [json.loads(line)["event"] for line in (await answer.text()).splitlines()]
        assert "owned" in found
        assert "other" not in found


async def test_an_unknown_job_is_told_in_a_page(client: Client, page: Page) -> None:
    answer = await page.goto(f"{client.address}/jobs/default.nobody.0123456789ab")
    assert answer is not None
    assert answer.status == 404
    await expect(page.get_by_role("heading", name="No such job")).to_be_visible()
