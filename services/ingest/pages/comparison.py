"""The base model beside the adapter: figures of the last evaluation that has both, and what each says. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.ingest.pages.view import Event, JobView

FIGURES = (
    ("Loss", "loss", "baseLoss", False),
    ("Perplexity", "perplexity", "basePerplexity", False),
    ("Token accuracy", "tokenAccuracy", "baseTokenAccuracy", True),
)
"""Name, the adapter's field, the base model's field, and whether more is better."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of both; `share` means that it is shown in per cent."""

    name: str
    base: float
    adapter: float
    better: bool
    share: bool


@dataclass(frozen=True, slots=True)
class Answers:
    """One prompt and what came back; `right` when the adapter gave just what was expected."""

    prompt: str
    expected: str
    base: str
    adapter: str
    right: bool


def figures(view: JobView) -> list[Figure]:
    """Those that the last evaluation has of both."""
    evaluated: Event = view.of("training.evaluated") or {}
    pairs = [(name, evaluated.get(own), evaluated.get(base), more) for name, own, base, more in FIGURES]
    return [
        Figure(name, base, own, better=(own > base) is more and own != base, share=more)
        for name, own, base, more in pairs
        if isinstance(own, int | float) and isinstance(base, int | float)
    ]


def answers(view: JobView) -> list[Answers]:
    """The last evaluation's samples."""
    samples: Sequence[Mapping[str, Any]] = (view.of("training.evaluated") or {}).get("samples") or ()
    return [_answers(sample) for sample in samples]


def _answers(sample: Mapping[str, Any]) -> Answers:
    expected, adapter = str(sample.get("expected") or ""), str(sample.get("adapter") or "")
    right = bool(expected.strip()) and adapter.strip() == expected.strip()
    return Answers(str(sample.get("prompt") or ""), expected, str(sample.get("base") or ""), adapter, right)
