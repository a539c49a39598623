"""Events in words for people: everything that matters, and nothing that could command their terminal."""

from datetime import UTC, datetime

import pytest

from lorabus.events import event_of
from lorabus.telling import duration, printable, size, tell
from schemas.envelope import Envelope
from schemas.events import EVENT_TYPES

HEAD: dict[str, object] = {"jobId": "default.a.0123456789ab", "attempt": 2, "sequence": 3}
TOKENS = {"total": 1000, "trained": 400, "p50": 1, "p95": 2, "max": 3}
IMAGE = {"reference": "reg/x:1", "digest": "sha256:aa", "size": 1200}
STEPS: dict[str, object] = {"step": 5, "totalSteps": 100}
CASES: dict[str, tuple[dict[str, object], str]] = {
    "job.accepted": (
        {"specDigest": "d", "namespace": "n", "name": "a", "preset": "tiny", "method": "lora", "warnings": ["old"]},
        "accepted: lora on tiny\n  warning: old",
    ),
    "job.queued": ({"specDigest": "d"}, "queued: waits for a trainer"),
    "job.rejected": (
        {"problems": [{"path": "tuning.method", "message": "must be lora"}, {"path": "", "message": "and more"}]},
        "rejected:\n  tuning.method: must be lora\n  and more",
    ),
    "job.claimed": (
        {"worker": "w1", "resumedFromStep": 40},
        "claimed by w1 (attempt 2, goes on from step 40)",
    ),
    "model.staging": (
        {"repository": "org/model", "revision": "main", "bytes": 1500, "totalBytes": 3_000_000},
        "fetching org/model: 1.5 kB of 3.0 MB",
    ),
    "dataset.staging": ({"bytes": 1500, "totalBytes": 3_000_000}, "staging the dataset: 1.5 kB of 3.0 MB"),
    "dataset.staged": (
        {"digest": "d", "files": [{"name": "f", "digest": "d", "size": 10}], "reused": True},
        "dataset staged: 1 file, 10 B, was there already",
    ),
    "dataset.checked": (
        {
            "rows": 9,
            "format": "jsonl messages",
            "tokens": TOKENS,
            "plannedSteps": 3,
            "duplicates": 2,
            "problemCount": 3,
            "problems": [{"file": "f", "line": 7, "pointer": "/a", "code": "c", "message": "m"}],
        },
        (
            "dataset checked: 9 rows (jsonl messages), 1,000 tokens, 400 of them trained on; 3 steps; 2 duplicates\n"
            "  f:7/a: m\n  and 2 more"
        ),
    ),
    "training.started": (
        {**STEPS, "dtype": "float32", "device": "cpu", "trainableParameters": 4096, "targetModules": 28}
        | {"notes": ["learning_rate is low"]},
        (
            "training: 100 steps on cpu in float32, 4,096 trainable parameters in 28 modules\n"
            "  note: learning_rate is low"
        ),
    ),
    "training.progress": (
        {**STEPS, "epoch": 0.1, "loss": 1.25, "tokens": 9, "tokensPerSecond": 5400.2, "etaSeconds": 187},
        "step 5/100: loss 1.250, 5,400 tokens/s, ETA 3:07",
    ),
    "training.evaluated": ({**STEPS, "loss": 1.0, "baseLoss": 3.5}, "evaluated at step 5: loss 1.000 (base 3.500)"),
    "training.resumed": (dict(STEPS), "goes on from step 5 of 100"),
    "checkpoint.saved": ({**STEPS, "digest": "d", "bytes": 12_000_000}, "checkpoint at step 5 saved (12.0 MB)"),
    "adapter.trained": (
        {"digest": "d", "files": [{"name": "f", "digest": "d", "size": 900}], "trainedTokens": 1234},
        "adapter trained on 1,234 tokens (900 B)",
    ),
    "image.pushing": ({"bytes": 10, "totalBytes": 20}, "publishing: 10 B of 20 B"),
    "image.published": (IMAGE, "published reg/x:1 (1.2 kB)"),
    "job.succeeded": ({"image": IMAGE}, "succeeded: reg/x:1\n  sha256:aa, 1.2 kB"),
    "job.failed": (
        {"reason": "DatasetEmpty", "retryable": False, "message": "no rows", "help": "docs/errors.md#datasetempty"},
        "failed: DatasetEmpty: no rows\n  see docs/errors.md#datasetempty",
    ),
    "job.cancelling": ({}, "cancelling"),
    "job.cancelled": ({"checkpointStep": 40}, "cancelled; the checkpoint of step 40 is kept"),
}


def told(type_: str, data: dict[str, object]) -> str:
    envelope = Envelope(f"lorabus.{type_}.v1", "x", {**HEAD, **data}, time=datetime(2026, 1, 2, tzinfo=UTC))
    event = event_of(envelope, position=(0, 0))
    assert event is not None
    return tell(event)


@pytest.mark.parametrize("type_", CASES)
def test_each_event_is_told(type_: str) -> None:
    data, words = CASES[type_]

    assert told(type_, data) == words


def test_every_type_has_its_words() -> None:
    assert set(CASES) == set(EVENT_TYPES)


def test_an_unknown_type_is_told_by_its_name() -> None:
    assert told("job.praised", {"state": "running"}) == "job.praised"
    assert told("job.\x1b]0;owned", {"state": "running"}) == "job.\\x1b]0;owned"


def test_a_job_that_is_queued_again_says_why_and_when() -> None:
    data = {"specDigest": "d", "reason": "SourceUnavailable", "message": "timed out", "retryAfter": 65.0}

    assert told("job.queued", data) == ("attempt 2 is over, the next may begin in 1:05: SourceUnavailable: timed out")


def test_words_of_others_cannot_command_the_terminal() -> None:
    data: dict[str, object] = {
        "reason": "Internal",
        "retryable": True,
        "message": "\x1b]0;owned\x07\r\x9b2J\u202e" * 900,
    }

    words = told("job.failed", data)

    assert not [character for character in words if not character.isprintable() and character != "\n"]
    assert len(words) < 9000


def test_line_breaks_stay_and_printable_texts_are_as_they_are() -> None:
    assert printable("a\nb é 漢") == "a\nb é 漢"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (250e6, "250 MB"), (3e15, "3000.0 TB")]
)
def test_sizes(count: float, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (42, "42 s"), (187, "3:07"), (7380, "2:03:00"), (-1, "0 s"), (float("nan"), "?")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
