"""How well a model knows rows that it was not trained on, with its adapter and without, and what it answers."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from schemas.events.training import Sample
from services.trainer.dataset.tokens import NOT_TRAINED, Tokens
from services.trainer.planning.steps import passes
from services.trainer.training.batches import make_pass
from services.trainer.training.loop import trained_logits
from services.trainer.training.memory import tried
from services.trainer.training.model import Loaded

MOST_ROWS = 2000
_LONGEST_SAMPLE, _SAMPLE_SECONDS, _LONGEST_TEXT = 48, 5.0, 1000


@dataclass(frozen=True, slots=True)
class Score:
    """Mean cross-entropy in nats and share of right first guesses, both per trained token."""

    loss: float
    accuracy: float

    @property
    def perplexity(self) -> float:
        """Infinite where a float cannot hold it."""
        return math.exp(self.loss) if self.loss < 700 else math.inf


class Evaluator:
    """Scores on the first rows of a split; `between` is called between two passes and may raise."""

    def __init__(
        self, loaded: Loaded, tokens: Tokens, *, tokens_per_pass: Callable[[], int], between: Callable[[], None]
    ) -> None:
        """At most `MOST_ROWS` rows are looked at. `tokens_per_pass` is what a training's pass has at the moment."""
        self._loaded, self._tokens, self._between = loaded, tokens, between
        self._tokens_per_pass = tokens_per_pass
        # Nothing is kept for a way back.
        self._times = 2.0

    def score(self, *, base: bool = False) -> Score:
        """Of the model as it is now, or of the base model alone, in shorter passes where the memory asks for it."""
        while (score := tried(lambda: self._score(base=base), can_be_cut=self._can_be_cut())) is None:
            self._times /= 2
        return score

    def _can_be_cut(self) -> bool:
        return any(len(rows) > 1 for rows in self._passes())

    def _score(self, *, base: bool) -> Score:
        loss, right, count = 0.0, 0, 0
        with self._only_looking(base=base):
            for rows in self._passes():
                self._between()
                part = make_pass(self._tokens, rows, flat=self._loaded.flat)
                logits = trained_logits(self._loaded.model, part, self._loaded.device).float()
                targets = part.targets.to(logits.device)
                loss += float(functional.cross_entropy(logits, targets, reduction="sum"))
                right += int((logits.argmax(-1) == targets).sum())
                count += len(targets)
        return Score(loss / max(1, count), right / max(1, count))

    def _passes(self) -> list[list[int]]:
        rows, most = range(min(len(self._tokens), MOST_ROWS)), int(self._times * self._tokens_per_pass())
        return passes(rows, self._tokens.lengths, most, padded=not self._loaded.flat)

    def samples(self, number: int) -> Iterator[Sample]:
        """Greedy answers to the first rows, short, with the time for each limited."""
        for row in range(min(number, len(self._tokens))):
            self._between()
            ids, labels = self._tokens.row(row)
            trained = np.flatnonzero(labels != NOT_TRAINED)
            # A row that is learned from its first token on is continued from its first quarter.
            start = int(trained[0]) if trained[0] > 0 else max(1, len(ids) // 4)
            prompt = ids[:start].tolist()
            yield Sample(
                prompt=self._text(prompt),
                expected=self._text(ids[start:].tolist()),
                base=self._answer(prompt, base=True),
                adapter=self._answer(prompt, base=False),
            )

    def _answer(self, prompt: Sequence[int], *, base: bool) -> str:
        model, ids = self._loaded.model, torch.tensor([prompt], device=self._loaded.device)
        with self._only_looking(base=base):
            output = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                use_cache=True,
                max_new_tokens=_LONGEST_SAMPLE,
                max_time=_SAMPLE_SECONDS,
                pad_token_id=self._loaded.tokenizer.pad_token_id or self._loaded.tokenizer.eos_token_id,
            )
        return self._text(output[0, len(prompt) :].tolist())

    @contextmanager
    def _only_looking(self, *, base: bool) -> Iterator[None]:
        model = self._loaded.model
        was_training = model.training
        model.eval()
        try:
            with torch.inference_mode(), self._loaded.as_base() if base else nullcontext():
                yield
        finally:
            model.train(was_training)

    def _text(self, ids: Sequence[int]) -> str:
        return str(self._loaded.tokenizer.decode(ids, skip_special_tokens=True)).strip()[:_LONGEST_TEXT]
