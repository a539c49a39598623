"""Makes the README's pictures of the status page from a real run: `python -m docs.screenshots`.

It starts the `stack` profile in a home of its own, submits jobs that end in different ways, and looks at the page with
Chromium in the light and in the dark: the list, a job in mid-training, the same job when it has ended, a Workspace
with mistakes. It takes about three minutes and leaves nothing running.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import yaml
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
EXAMPLE = ROOT / "services" / "ingest" / "pages" / "templates" / "example.yaml"
WIDTH, HEIGHT, SCALE = 1200, 900, 1.25
COLOURS = (160, 96, 64)
LARGEST = 150_000
"""No picture may be larger: a README is read over slow lines too."""
PATIENCE = 300_000
STEPS, MIDDLE = 120, re.compile(r"Step\s*(7[5-9]|[89]\d|1\d\d) of 120")


@dataclass(frozen=True)
class System:
    """A running lorabus."""

    home: Path

    def run(self, *words: str, code: int | None = 0) -> list[dict[str, Any]]:
        """Run the command; gives its lines."""
        env = {**os.environ, "LORABUS_HOME": str(self.home)}
        command = [sys.executable, "-m", "lorabus", *words, "--json"]
        done = subprocess.run(command, env=env, cwd=ROOT, check=False, capture_output=True, text=True)
        if code is not None and done.returncode != code:
            raise SystemExit(f"lorabus {' '.join(words)}: {done.returncode}\n{done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def address(self, name: str) -> str:
        """Where a part listens."""
        return next(str(part["address"]) for part in self.run("status") if part["name"] == name)

    def submit(self, name: str, *words: str, code: int | None = 0, **changes: Any) -> dict[str, Any]:
        """Send the example under another name; gives the last event that was printed."""
        file = self.home / f"{name}.yaml"
        file.write_text(yaml.safe_dump_all(workspace(name, **changes)))
        return self.run("submit", str(file), *words, code=code)[-1]


def workspace(
    name: str, *, claim: str = "python-docs", image: str | None = None, preset: str = "tiny", **training: Any
) -> list[dict[str, Any]]:
    """The page's own example with parts replaced."""
    made, config_map = yaml.safe_load_all(EXAMPLE.read_text())
    made["metadata"]["name"] = config_map["metadata"]["name"] = made["tuning"]["config"] = name
    made["tuning"]["preset"]["name"] = preset
    made["tuning"]["input"]["volumeSource"]["persistentVolumeClaim"]["claimName"] = claim
    if image:
        made["tuning"]["output"] = {"image": image, "imagePushSecret": "registry"}
    config = yaml.safe_load(config_map["data"]["training_config.yaml"])
    config["training_config"]["TrainingArguments"] |= training
    config_map["data"]["training_config.yaml"] = yaml.safe_dump(config)
    return [made, config_map]


@contextmanager
def running(home: Path) -> Iterator[System]:
    """Up, with the data in place, and down again."""
    system = System(home)
    _data(home / "volumes")
    system.run("up", "--profile", "stack", "--detach")
    try:
        yield system
    finally:
        system.run("down")


def _data(volumes: Path) -> None:
    """Python's docstrings in a style to learn, two rows that cannot be used; and a file with hardly any other rows."""
    for claim in ("python-docs-short", "support-mail"):
        (volumes / claim).mkdir(parents=True)
    words = [sys.executable, "examples/python_docs.py", "--rows", "400"]
    made = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    rows = [json.loads(line) for line in made.splitlines()]
    rows = [{**row, "completion": f"In short: {row['completion']} I hope that this helps!"} for row in rows]
    rows += [{"prompt": "What does `spam` do?"}, {"prompt": "What does `eggs` do?", "completion": ""}]
    (volumes / "python-docs-short" / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    (volumes / "support-mail" / "mail.jsonl").write_text('{"prompt": "a", "completion": "b"}\n{"prompt": "c"}\n' * 20)


def jobs(system: System) -> str:
    """Jobs with different ends, then one that trains for a minute or two; gives its id."""
    system.submit("support-mail", "--wait", code=1, claim="support-mail")
    system.submit("release-notes", code=1, preset="tinny")
    system.submit("first-try", "--wait", max_steps=8, save_steps=8, eval_steps=8)
    image = f"{system.address('registry')}/adapters/docs-answers:1"
    training: dict[str, Any] = {"max_steps": STEPS, "eval_steps": 20, "save_steps": 30, "learning_rate": 3e-3}
    main = system.submit("docs-answers", claim="python-docs-short", image=image, **training)
    glossary = system.submit("glossary")
    system.run("cancel", str(glossary["jobId"]), code=None)
    system.submit("handbook")
    return str(main["jobId"])


def pictures(page: Page, system: System) -> None:
    """All of them."""
    main = jobs(system)
    home = f"http://{system.address('ingest')}"
    page.goto(f"{home}/jobs/{main}")
    expect(page.locator("#summary")).to_contain_text(MIDDLE, timeout=PATIENCE)
    picture(page, "running", until="#timeline")
    page.goto(home)
    picture(page, "jobs", until="#list")
    page.goto(f"{home}/jobs/{main}")
    expect(page.locator("#badge")).to_have_text("succeeded", timeout=PATIENCE)
    picture(page, "finished", until="#comparison")
    page.goto(f"{home}/submit")
    text = EXAMPLE.read_text().replace("name: tiny ", "name: tinny").replace("max_steps: 60", "max_stepps: 60")
    page.fill("#yaml", text.replace("method: lora ", "method: full "))
    page.get_by_role("button", name="Only check").click()
    expect(page.locator("#problems li").first).to_be_visible()
    picture(page, "rejected", until="#problems")


def picture(page: Page, name: str, *, until: str) -> None:
    """In both colour schemes, from the top of the page to the end of an element or a little further."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        box = page.locator(until).bounding_box()
        height = max(HEIGHT * 0.7, (box["y"] + box["height"] + 24) if box else HEIGHT)
        shot = page.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": WIDTH, "height": height})
        save(shot, IMAGES / f"page-{name}-{scheme}.png")


def save(shot: bytes, file: Path) -> None:
    """With a palette: the page has few colours."""
    whole = Image.open(BytesIO(shot)).convert("RGB")
    for colours in COLOURS:
        small = whole.quantize(colours, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE)
        small.save(file, optimize=True)
        size = file.stat().st_size
        if size <= LARGEST:
            print(f"{file.relative_to(ROOT)}: {whole.width} x {whole.height}, {colours} colours, {size:,} bytes")
            return
    raise SystemExit(f"{file.name} is larger than {LARGEST:,} bytes")


def main() -> None:
    """Make them all, in a folder that is removed afterwards."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("no Chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory(prefix="lorabus-pictures-") as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=SCALE)
        with running(Path(folder)) as system:
            pictures(page, system)
        browser.close()


if __name__ == "__main__":
    main()
