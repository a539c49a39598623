"""The committed base model: it loads in silence, speaks its chat template and marks what is to be learned.

torch is imported where it is used: only the process that runs these tests shall load it, not every one that collects
them.
"""

import gc
import hashlib
import json
import logging
import warnings
from pathlib import Path
from typing import Any

import pytest

from examples import python_docs

TINY = Path(__file__).parents[3] / "examples" / "tiny"
TURNS = [
    {"role": "system", "content": "Answer in one sentence."},
    {"role": "user", "content": "What does `shlex.quote` do?"},
    {"role": "assistant", "content": "Return a shell-escaped version."},
    {"role": "user", "content": "And `naïve` — 日本語?"},
    {"role": "assistant", "content": "Nothing at all."},
]


def load_tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(TINY, local_files_only=True)


def load_model() -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(TINY, local_files_only=True)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return load_tokenizer()


@pytest.fixture(scope="module")
def model() -> Any:
    return load_model()


def test_it_loads_without_a_warning(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    gc.collect()  # What other tests have left open is not this one's.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = load_model()
        load_tokenizer()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert str(model.dtype) == "torch.float32"
    assert 2_000_000 < model.num_parameters() < 3_000_000


def test_model_and_tokenizer_agree_on_the_special_tokens(tokenizer: Any) -> None:
    for name in ("config.json", "generation_config.json"):
        stored = json.loads((TINY / name).read_text())
        ids = (stored["pad_token_id"], stored["bos_token_id"], stored["eos_token_id"])
        assert ids == (tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id)
        assert len(set(ids)) == 3
    assert len(tokenizer) == json.loads((TINY / "config.json").read_text())["vocab_size"] == 2048


def test_all_files_together_stay_small() -> None:
    assert sum(file.stat().st_size for file in TINY.iterdir()) < 5_000_000


def test_the_chat_template_holds_every_turn_and_survives_the_tokenizer(tokenizer: Any) -> None:
    text = tokenizer.apply_chat_template(TURNS, tokenize=False)
    assert text.startswith("<|begin|><|system|>Answer in one sentence.<|end|><|user|>What does")
    assert text.endswith("<|assistant|>Nothing at all.<|end|>")
    ids = tokenizer.apply_chat_template(TURNS, return_dict=True)["input_ids"]
    assert tokenizer.decode(ids) == text
    assert ids == tokenizer(text)["input_ids"]
    assert ids.count(tokenizer.eos_token_id) == len(TURNS)
    assert ids.count(tokenizer.bos_token_id) == 1


def test_a_question_ends_where_its_answer_begins(tokenizer: Any) -> None:
    asked = tokenizer.apply_chat_template(TURNS[:2], tokenize=False, add_generation_prompt=True)
    answered = tokenizer.apply_chat_template(TURNS[:3], tokenize=False)
    assert answered == asked + TURNS[2]["content"] + tokenizer.eos_token


def test_the_mask_covers_the_answers_and_their_ends_and_nothing_else(tokenizer: Any) -> None:
    encoded = tokenizer.apply_chat_template(TURNS, return_dict=True, return_assistant_tokens_mask=True)
    masked = [token for token, learned in zip(encoded["input_ids"], encoded["assistant_masks"], strict=True) if learned]
    assert tokenizer.decode(masked) == "Return a shell-escaped version.<|end|>Nothing at all.<|end|>"


def test_a_role_that_it_does_not_know_is_refused_by_name(tokenizer: Any) -> None:
    with pytest.raises(Exception, match="Unknown role tool"):
        tokenizer.apply_chat_template([{"role": "tool", "content": "42"}], tokenize=False)


def test_pretraining_writes_rows_as_the_template_does(tokenizer: Any) -> None:
    from examples import tiny_tokenizer

    row = python_docs.Row("spam", "What is `spam`?", "A kind of ham.")
    assert tiny_tokenizer.chat(row) == tokenizer.apply_chat_template(row.as_messages()["messages"], tokenize=False)


def test_the_base_knows_docstrings_but_not_the_taught_ones(model: Any, tokenizer: Any) -> None:
    """Loss on rows that it never saw: far below a guess over 2,048 tokens (7.6), far above knowing them."""
    rows = [json.loads(line) for line in (TINY.parent / "python-docs-taught.jsonl").read_text().splitlines()]
    losses = [answer_loss(model, tokenizer, row) for row in rows]
    assert 1.0 < sum(losses) / len(losses) < 4.5


@pytest.mark.parametrize("chat", [True, False])
def test_the_base_answers_in_a_chat_and_to_plain_text(model: Any, tokenizer: Any, chat: bool) -> None:
    question = TURNS[1]["content"]
    asked = tokenizer.apply_chat_template([TURNS[1]], tokenize=False, add_generation_prompt=True) if chat else question
    inputs = tokenizer(asked, return_tensors="pt")
    output = model.generate(**inputs, do_sample=False, max_new_tokens=64)[0, inputs["input_ids"].shape[1] :]
    assert output[-1] == tokenizer.eos_token_id
    assert len(tokenizer.decode(output, skip_special_tokens=True).split()) >= 3


def answer_loss(model: Any, tokenizer: Any, row: dict[str, str]) -> float:
    import torch

    turns = [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row["completion"]}]
    encoded = tokenizer.apply_chat_template(
        turns, return_dict=True, return_assistant_tokens_mask=True, return_tensors="pt"
    )
    labels = encoded["input_ids"].masked_fill(torch.as_tensor(encoded["assistant_masks"]) == 0, -100)
    with torch.inference_mode():
        return float(model(input_ids=encoded["input_ids"], labels=labels).loss)


def test_the_same_seed_makes_the_same_model(tmp_path: Path) -> None:
    import torch

    from examples import make_tiny

    recipe = make_tiny.Recipe(steps=2, batch=2, length=32, threads=torch.get_num_threads())
    digests = []
    for name in ("first", "second"):
        make_tiny.make(recipe, tmp_path / name)
        files = ("model.safetensors", "tokenizer.json", "tokenizer_config.json", "config.json", "chat_template.jinja")
        digests.append([hashlib.sha256((tmp_path / name / file).read_bytes()).hexdigest() for file in files])
    assert digests[0] == digests[1]
