"""The pages for everybody: axe finds nothing serious in either colour scheme, a phone needs no sideways scrolling, a
keyboard reaches all, a screen reader hears little, and no other host is asked for anything."""

from collections.abc import Sequence

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from tests.component.services.ingest.harness import workspace
from tests.component.services.ingest.pages.story import Story, whole_story
from tests.component.services.ingest.serving import Client

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE = 390
STANDARDS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
DOCUMENTS = ("/docs/errors.md", "/docs", "/asyncapi")


async def paths(client: Client) -> list[str]:
    """Each kind of page once, with as much on it as there can be."""
    names = ("done", "running", "failed", "waiting")
    done, running, failed, waiting = [(await client.submit(workspace(name)))["jobId"] for name in names]
    alive, broken, paused = Story(running), Story(failed), Story(waiting)
    await client.bring(
        *whole_story(done),
        *alive.begin(),
        *alive.train(1, 30),
        *broken.begin(),
        broken.fail("DatasetInvalid", "x" * 300),
        *paused.begin(),
        *paused.again(),
    )
    refused = await client.submit(workspace("bad", method="full"), status=422)
    await client.bring()
    jobs = [f"/jobs/{job_id}" for job_id in (done, running, failed, waiting, refused["jobId"])]
    return [*jobs, "/", "/?q=none", "/submit?example=yes", "/login", *DOCUMENTS]


async def test_axe_finds_nothing_serious_in_either_colour_scheme(client: Client, browser: Browser) -> None:
    context = await browser.new_context(color_scheme="light", reduced_motion="reduce")
    page = await context.new_page()
    found: dict[str, list[str]] = {}
    done, _, _, *others = await paths(client)
    # What the two left out have to show, others have as well; axe takes its time.
    for path in (done, *(other for other in others if other not in DOCUMENTS[1:])):
        await page.emulate_media(color_scheme="light")
        await page.goto(f"{client.address}{path}")
        found |= {f"{path} {rule}": nodes for rule, nodes in (await serious(page, *STANDARDS)).items()}
        # Nothing but the colours differs in the dark.
        await page.emulate_media(color_scheme="dark")
        found |= {f"dark {path} {rule}": nodes for rule, nodes in (await serious(page, "color-contrast")).items()}
    await context.close()
    assert found == {}


async def serious(page: Page, *rules: str) -> dict[str, list[str]]:
    """What axe finds that keeps people out, by rule."""
    results = await Axe().run(page, options={"runOnly": list(rules), "resultTypes": ["violations"]})
    bad = [found for found in results.response["violations"] if found["impact"] in ("serious", "critical")]
    return {found["id"]: [node["html"][:200] for node in found["nodes"][:3]] for found in bad}


async def test_a_phone_needs_no_sideways_scrolling(client: Client, browser: Browser) -> None:
    page = await browser.new_page(viewport={"width": PHONE, "height": 844})
    wide: list[tuple[str, int, int]] = []
    for path in await paths(client):
        await page.goto(f"{client.address}{path}")
        root = await page.evaluate("(e => [e.scrollWidth, e.clientWidth])(document.documentElement)")
        wide += [(path, *root)] if root[0] > root[1] else []
    await page.close()
    assert wide == []


async def test_no_page_asks_another_host_for_anything(client: Client, page: Page) -> None:
    """The fixture fails the test for it; a policy keeps the browser from it, whatever a page held."""
    for path in await paths(client):
        answer = await page.goto(f"{client.address}{path}", wait_until="networkidle" if path == "/login" else "load")
        assert answer is not None
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "http" not in policy
        assert "unsafe" not in policy


async def tab_order(page: Page) -> Sequence[str]:
    """What the tab key reaches, in its order, until it leaves the page."""
    reached: list[str] = []
    while True:
        await page.keyboard.press("Tab")
        name = await page.evaluate(
            "(e => e === document.body ? '' : (e.ariaLabel || e.textContent.trim() || e.id))(document.activeElement)"
        )
        if not name or name in reached:
            return reached
        reached.append(name)


async def test_the_keyboard_reaches_what_a_pointer_reaches_in_the_order_of_the_page(client: Client, page: Page) -> None:
    job = await client.submit(workspace())
    await client.bring(*whole_story(job["jobId"]))
    await page.goto(f"{client.address}/jobs/{job['jobId']}")
    reached = await tab_order(page)
    assert reached[:3] == ["Skip to the content", "lorabus", "Jobs"]
    wanted = ["Run again", "Copy the reference", "Copy the KAITO Workspace", "Copy the vLLM command", "all as JSON"]
    assert [name for name in reached if name in wanted] == wanted


async def test_the_skip_link_skips_and_the_focus_can_be_seen(client: Client, page: Page) -> None:
    await page.goto(f"{client.address}/submit")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()
    await page.keyboard.press("Tab")
    first = page.get_by_role("link", name="Fill in an example")
    await expect(first).to_be_focused()
    assert await first.evaluate("e => getComputedStyle(e).outlineWidth") == "3px"


async def test_a_screen_reader_hears_the_states_and_the_quarters_only(client: Client, page: Page) -> None:
    story = Story((await client.submit(workspace()))["jobId"])
    await client.bring()
    await page.goto(f"{client.address}/jobs/{story.job_id}")
    await page.evaluate(
        """() => { window.said = []; const place = document.querySelector('#heard');
        new MutationObserver(() => said.push(place.textContent)).observe(place, {childList: true}); }"""
    )
    await client.bring(*story.begin(), *story.train(1, 14))
    await expect(page.locator("#summary")).to_contain_text("14 of 60")
    for step in (15, 16, 17):
        await client.bring(*story.train(step, step))
        await expect(page.locator("#summary")).to_contain_text(f"{step} of 60")
    said = [text for text in await page.evaluate("said") if text]
    assert said[-2:] == ["Job running, 0 % done", "Job running, 25 % done"]
    assert await page.locator("[aria-live], [role=status], [role=alert]").count() == 2
