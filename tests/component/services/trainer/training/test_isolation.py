"""Rows that go through the model together never see each other.

The reference is the library's plain attention on one row at a time; ours has all rows in one pass, in one sequence
where the architecture allows it, as those of all presets do, padded where not.
"""

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from services.trainer.dataset.tokens import TRAIN, Tokens
from services.trainer.planning.plan import TrainPlan

from .conftest import MakePlan, Row
from .test_architectures import ARCHITECTURES, random_model

if TYPE_CHECKING:
    from services.trainer.training.model import Loaded


def rows(count: int) -> list[Row]:
    chance = random.Random(7)
    return [
        (
            [chance.randrange(3, 2000) for _ in range(chance.randint(1, 20))],
            [chance.randrange(3, 2000) for _ in range(9)],
        )
        for _ in range(count)
    ]


def load(plan: TrainPlan) -> "Loaded":
    # Only the process that runs these tests shall load torch, not every one that collects them.
    import torch

    from services.trainer.training import model

    return model.load(plan, torch.device("cpu"))


def reference_model(folder: Path, attention: str) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, attn_implementation=attention, dtype=torch.float32).eval()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_row_gets_the_same_logits_alone_and_among_others(tmp_path: Path, plan_for: MakePlan, name: str) -> None:
    folder = random_model(name, tmp_path / "model")
    loaded = load(plan_for(rows(6), model=folder))
    assert loaded.flat
    same_together_and_alone(loaded, reference_model(folder, "eager"), Tokens(tmp_path / "tokens" / TRAIN))


def same_together_and_alone(loaded: "Loaded", reference: Any, tokens: Tokens) -> None:
    import torch

    from services.trainer.training.batches import make_pass
    from services.trainer.training.loop import trained_logits

    part = make_pass(tokens, range(6), flat=loaded.flat)
    with torch.inference_mode():
        together = trained_logits(loaded.model.eval(), part, torch.device("cpu"))
        alone = [reference(torch.from_numpy(tokens.row(row)[0].astype("int64"))[None]).logits[0] for row in range(6)]
    # The trained tokens of a row are its last nine: the positions before each of them predict it.
    expected = torch.cat([logits[-10:-1] for logits in alone])
    assert (together - expected).abs().max() < 1e-4 * expected.abs().max()
    targets = torch.cat([torch.from_numpy(tokens.row(row)[1][-9:].astype("int64")) for row in range(6)])
    assert torch.equal(part.targets, targets)


@pytest.mark.parametrize("name", ["phi3", "falcon-7b"])
def test_gradients_do_not_cross_rows(tmp_path: Path, plan_for: MakePlan, name: str) -> None:
    from services.trainer.training.batches import make_pass

    loaded = load(plan_for(rows(2), model=random_model(name, tmp_path / "model")))
    tokens = Tokens(tmp_path / "tokens" / TRAIN)
    part = make_pass(tokens, range(2), flat=True)
    embedded = loaded.model.get_input_embeddings()(part.inputs["input_ids"]).detach().requires_grad_()
    inputs = {**part.inputs, "inputs_embeds": embedded}
    del inputs["input_ids"]
    second = slice(part.row_ends[0], part.row_ends[1])

    logits = loaded.model(**inputs, logits_to_keep=part.keep, use_cache=False).logits[0]
    logits[second].sum().backward()

    first_row = int(tokens.lengths[0])
    assert embedded.grad is not None
    assert embedded.grad[0, :first_row].abs().max() == 0
    assert embedded.grad[0, first_row:].abs().max() > 0


def test_an_architecture_without_attention_of_its_own_rows_is_padded(tmp_path: Path, plan_for: MakePlan) -> None:
    folder = random_model("falcon-7b", tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "alibi": True}))
    loaded = load(plan_for(rows(6), model=folder))
    assert not loaded.flat
    same_together_and_alone(loaded, reference_model(folder, "sdpa"), Tokens(tmp_path / "tokens" / TRAIN))
