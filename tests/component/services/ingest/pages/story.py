"""The events of a job as trainer and publisher write them, from the claim to the end: everything that a page shows."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import exp
from typing import Any

from schemas.envelope import Envelope
from schemas.topics import full_type

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
STEPS = 60
DIGEST = f"sha256:{'ab12' * 16}"
IMAGE: dict[str, Any] = {"reference": "registry.example.com/answers:1", "digest": DIGEST, "size": 1_234_567}
CHECKED: dict[str, Any] = {
    "rows": 950,
    "evalRows": 50,
    "format": "jsonl messages",
    "problems": [
        {
            "file": "rows.jsonl",
            "line": 17,
            "pointer": "/messages/1/role",
            "code": "unknown_role",
            "message": "the role 'bot' is none of system, user, assistant, tool",
        }
    ],
    "problemCount": 1,
    "dropped": 1,
    "truncated": 3,
    "tokens": {
        "total": 211_345,
        "trained": 98_211,
        "p50": 190,
        "p95": 520,
        "max": 980,
        "lengths": {"edges": [*range(0, 1001, 100)], "counts": [120, 331, 254, 141, 72, 38, 21, 12, 7, 4]},
    },
    "preview": [
        {"stretches": [[False, "user: What does `abs` do?\nassistant: "], [True, "Return the absolute value."]]}
    ],
    "plannedSteps": STEPS,
}


@dataclass
class Story:
    """Makes events one after the other, seconds apart, of one attempt after the other."""

    job_id: str
    now: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(minutes=4))
    attempt: int = 1
    sequences: dict[int, int] = field(default_factory=dict)

    def event(self, kind: str, *, after: float = 1.0, **data: Any) -> Envelope:
        self.now += timedelta(seconds=after)
        number = self.sequences[self.attempt] = self.sequences.get(self.attempt, 0) + 1
        head = {"jobId": self.job_id, "attempt": self.attempt, "sequence": number, "traceId": TRACE}
        return Envelope(
            type=full_type(kind),
            source="trainer",
            subject=self.job_id,
            id=f"{self.job_id}:{self.attempt}:trainer:{number}",
            time=self.now,
            data={**head, **data},
        )

    def begin(self, **claimed: Any) -> Iterator[Envelope]:
        """Claimed, staged, checked, loaded."""
        yield self.event("job.claimed", state="staging", worker="trainer-7f9c", **claimed)
        yield self.event("dataset.staging", state="staging", bytes=400_000, totalBytes=812_345)
        yield self.event("dataset.staged", after=3, state="staging", digest=DIGEST, files=[], reused=False)
        yield self.event("dataset.checked", after=6, state="staging", **CHECKED)
        started: dict[str, Any] = {
            "dtype": "float32",
            "device": "cpu",
            "trainableParameters": 500_000,
            "targetModules": 28,
        }
        yield self.event("training.started", after=9, state="running", totalSteps=STEPS, **started)

    def train(self, first: int, last: int) -> Iterator[Envelope]:
        """Steps with their loss, an evaluation every 20, a checkpoint every 15."""
        for step in range(first, last + 1):
            wobble = 0.12 * ((step * 7919) % 13 - 6) / 6
            yield self.event(
                "training.progress",
                state="running",
                step=step,
                totalSteps=STEPS,
                epoch=step / 30,
                loss=round(0.6 + 2.6 * exp(-step / 18) + wobble, 3),
                tokens=step * 1_640,
                tokensPerSecond=1_540.0 + 160 * wobble * 6,
                etaSeconds=float(STEPS - step),
                memoryBytes=812_000_000,
            )
            if step % 20 == 0 and step < STEPS:
                yield self.event(
                    "training.evaluated", state="running", step=step, totalSteps=STEPS, loss=0.8 + 25 / step
                )
            if step % 15 == 0:
                yield self.event("checkpoint.saved", state="running", step=step, digest=DIGEST, bytes=5_300_000)

    def again(self, seconds: float = 12.0) -> Iterator[Envelope]:
        """The attempt ends without ending the job; events after it are those of the next."""
        why: dict[str, Any] = {
            "reason": "StoreUnavailable",
            "message": "the store at s3://lorabus did not answer for 30 s",
        }
        yield self.event("job.queued", state="pending", specDigest=DIGEST, retryAfter=seconds, **why)
        self.attempt += 1

    def succeed(self) -> Iterator[Envelope]:
        """Evaluated beside the base model, handed over, published."""
        samples: list[dict[str, Any]] = [
            {
                "prompt": "What does `base64.b64decode` do?",
                "expected": "Decode the Base64 encoded bytes-like object.",
                "base": "Return the encoded string as a string of the string.",
                "adapter": "Decode the Base64 encoded bytes-like object.",
            },
            {"prompt": "What does `abs` do?", "expected": "Return the absolute value.", "adapter": "Return a value."},
        ]
        figures: dict[str, Any] = {"loss": 0.61, "perplexity": 1.84, "tokenAccuracy": 0.87}
        base: dict[str, Any] = {"baseLoss": 3.9, "basePerplexity": 49.4, "baseTokenAccuracy": 0.31}
        steps: dict[str, Any] = {"step": STEPS, "totalSteps": STEPS}
        told: dict[str, Any] = {**steps, **figures, **base, "samples": samples}
        yield self.event("training.evaluated", state="running", **told)
        yield self.event("adapter.trained", state="publishing", digest=DIGEST, files=[], trainedTokens=98_211)
        yield self.event("image.pushing", state="publishing", bytes=100_000, totalBytes=1_234_567)
        yield self.event("image.published", state="publishing", **IMAGE)
        yield self.event("job.succeeded", state="succeeded", image=IMAGE)

    def fail(self, reason: str, message: str, *, retryable: bool = False) -> Envelope:
        told: dict[str, Any] = {"reason": reason, "message": message, "retryable": retryable}
        return self.event("job.failed", state="failed", help=f"docs/errors.md#{reason.lower()}", **told)


def whole_story(job_id: str) -> list[Envelope]:
    """A job that needed two attempts and succeeded."""
    story = Story(job_id)
    first = [*story.begin(), *story.train(1, 35), *story.again()]
    second = [
        *story.begin(resumedFromStep=30),
        story.event("training.resumed", state="running", step=30, totalSteps=STEPS),
    ]
    return [*first, *second, *story.train(31, STEPS), *story.succeed()]
