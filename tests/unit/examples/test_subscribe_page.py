"""docs/subscribe.md shows the examples as they are, and what it says of webhooks is what the code does."""

import base64
import re
from pathlib import Path

import pytest

from schemas.topics import BY_NAME
from services.ingest.settings import IngestSettings
from services.ingest.webhooks.endpoints import KEY, read_endpoints
from services.ingest.webhooks.line import MAX_BYTES, MAX_EVENTS
from services.ingest.webhooks.schedule import Schedule

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "subscribe.md").read_text()
EXAMPLES = sorted((ROOT / "examples" / "subscribe").iterdir())
BLOCKS = re.findall(r"^```(\w+)[^\n]*\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("example", [file for file in EXAMPLES if file.is_file()], ids=lambda file: file.name)
def test_an_example_is_shown_word_for_word(example: Path) -> None:
    assert example.read_text() in [text for _, text in BLOCKS]


def test_no_other_program_is_shown() -> None:
    shown = [text for language, text in BLOCKS if language == "python"]
    assert len(shown) == len([file for file in EXAMPLES if file.suffix == ".py"])


def test_the_list_of_endpoints_is_one_that_ingest_takes(tmp_path: Path) -> None:
    (listed,) = [text for language, text in BLOCKS if language == "yaml"]
    (tmp_path / "webhooks.yaml").write_text(listed)
    for name in ("team-chat", "audit"):
        (tmp_path / "secrets" / name).mkdir(parents=True)
        (tmp_path / "secrets" / name / KEY).write_text(f"whsec_{base64.b64encode(bytes(32)).decode()}")
    chat, audit = read_endpoints(IngestSettings(home=tmp_path, webhooks_file=tmp_path / "webhooks.yaml"))
    assert chat.types == {"job.succeeded", "job.failed", "image.pushing", "image.published"}
    assert audit.types == frozenset()
    assert audit.namespaces == {"default", "nlp"}
    assert audit.since is not None


def test_the_times_are_those_of_the_code() -> None:
    plain = " ".join(PAGE.split())
    settings = IngestSettings()
    schedule = Schedule(settings.webhooks_retry_seconds, settings.webhooks_give_up_seconds)
    waits = [f"{schedule.wait(failures, age=0):g} s" for failures in (1, 2, 3)]
    assert f"after {', '.join(waits)} and so on" in plain
    assert f"within {settings.webhooks_timeout_seconds:g} seconds" in plain
    assert settings.webhooks_give_up_seconds == 3 * 24 * 3600
    assert BY_NAME["tuning.events.v1"].retention_ms == 7 * 24 * 3600 * 1000
    assert f"With {MAX_EVENTS:,} events or {MAX_BYTES // 2**20} MiB" in plain
    assert "older than three days" in plain
    assert "events for seven days" in plain
