"""Which tokens a model learns, on a tokenizer of words that anybody can read."""

import json
from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from schemas.config import DatasetConfig
from services.common.errors import UserError
from services.trainer.dataset.problems import Code, Fault
from services.trainer.dataset.request import Rules
from services.trainer.dataset.rows import Conversation, Pair, Row, Text
from services.trainer.dataset.tokenise import RowEncoder, load_encoder
from services.trainer.dataset.tokens import NOT_TRAINED, TokenisedRow

WORDS = ["what", "is", "it", "a", "book", "no", "yes", "thanks", "plain", "text", "user", "assistant"]
MARKED = """{% for m in messages %}<|{{ m['role'] }}|>{% if m['role'] == 'assistant' %}
{%- generation %}{{ m['content'] }}<|end|>{% endgeneration %}{% else %}{{ m['content'] }}<|end|>{% endif %}{% endfor %}
{%- if add_generation_prompt %}<|assistant|>{% endif %}"""
UNMARKED = MARKED.replace("{%- generation %}", "").replace("{% endgeneration %}", "")
SAID_WITHOUT_END = MARKED.replace(
    "{{ m['content'] }}<|end|>{% endgeneration %}", "{{ m['content'] }}{% endgeneration %}<|end|>"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    special = ["<unk>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>", "</s>"]
    vocabulary = {word: number for number, word in enumerate([*special, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in special])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    # Padding with the end of the sequence is what hides it from a loss that masks padding.
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": "</s>", "pad_token": "</s>"}))
    return tmp_path


def rules(**changes: object) -> Rules:
    return Rules.model_validate({"dataset": DatasetConfig(), "max_length": 64, **changes})


def encoder(folder: Path, template: str | None = None, **changes: object) -> RowEncoder:
    return load_encoder(folder, rules(chat_template=template, **changes))


def learned(encoder: RowEncoder, row: Row) -> tuple[str, str]:
    """The whole row, and what of it is learned, as text."""
    encoded = encoder.encode([row], [7])[0]
    assert isinstance(encoded, TokenisedRow)
    assert encoded.origin == 7
    assert all(label in (NOT_TRAINED, ids) for ids, label in zip(encoded.input_ids, encoded.labels, strict=True))
    return encoder.text(encoded.input_ids), encoder.text([label for label in encoded.labels if label != NOT_TRAINED])


TALK = Conversation(
    [
        {"role": "user", "content": "what is it"},
        {"role": "assistant", "content": "a book"},
        {"role": "user", "content": "thanks"},
        {"role": "assistant", "content": "yes"},
    ]
)


@pytest.mark.parametrize("template", [MARKED, UNMARKED, SAID_WITHOUT_END])
def test_of_a_conversation_the_assistants_turns_with_their_ends_are_learned(folder: Path, template: str) -> None:
    whole, spoken = learned(encoder(folder, template), TALK)
    assert (
        whole
        == "<|user|> what is it <|end|> <|assistant|> a book <|end|> <|user|> thanks <|end|> <|assistant|> yes <|end|>"
    )
    assert spoken == "a book <|end|> yes <|end|>"


@pytest.mark.parametrize("template", [MARKED, UNMARKED, SAID_WITHOUT_END])
def test_a_turn_of_weight_0_is_read_and_not_learned(folder: Path, template: str) -> None:
    talk = Conversation([*TALK.messages[:1], {**TALK.messages[1], "weight": 0}, *TALK.messages[2:]])
    whole, spoken = learned(encoder(folder, template), talk)
    assert whole == learned(encoder(folder, template), TALK)[0]
    assert spoken == "yes <|end|>"


@pytest.mark.parametrize("template", [MARKED, UNMARKED])
def test_where_prompts_are_learned_a_turn_of_weight_0_is_still_left_out(folder: Path, template: str) -> None:
    quiet = [TALK.messages[0], {**TALK.messages[1], "weight": 0}, *TALK.messages[2:]]
    for row in (Conversation(quiet), Pair(quiet[:3], quiet[3:])):
        _, spoken = learned(encoder(folder, template, completion_only_loss=False), row)
        assert spoken == "<|user|> what is it <|end|> <|assistant|> <|user|> thanks <|end|> <|assistant|> yes <|end|>"


def test_a_template_without_an_end_gets_the_end_of_the_sequence(folder: Path) -> None:
    template = """{% for m in messages %}{{ m['role'] + ' ' + m['content'] + ' ' }}{% endfor %}
{%- if add_generation_prompt %}assistant {% endif %}"""
    whole, spoken = learned(encoder(folder, template), Conversation(TALK.messages[:2]))
    assert whole == "user what is it assistant a book </s>"
    assert spoken == "a book </s>"


def test_a_prompt_of_text_is_a_turn_for_a_model_that_chats(folder: Path) -> None:
    whole, spoken = learned(encoder(folder, MARKED), Pair("what is it", "a book"))
    assert whole == "<|user|> what is it <|end|> <|assistant|> a book <|end|>"
    assert spoken == "a book <|end|>"


def test_a_prompt_of_text_is_put_before_the_completion_for_a_model_that_does_not(folder: Path) -> None:
    assert learned(encoder(folder), Pair("what is it ", "a book")) == ("what is it a book </s>", "a book </s>")


def test_of_a_prompt_of_messages_nothing_is_learned(folder: Path) -> None:
    row = Pair(TALK.messages[:3], TALK.messages[3:])
    assert learned(encoder(folder, MARKED), row)[1] == "yes <|end|>"
    assert learned(encoder(folder, UNMARKED), row)[1] == "yes <|end|>"


def test_a_text_is_learned_as_a_whole(folder: Path) -> None:
    assert learned(encoder(folder), Text("plain text")) == ("plain text </s>", "plain text </s>")


def test_prompts_are_learned_when_the_request_says_so(folder: Path) -> None:
    whole, spoken = learned(encoder(folder, MARKED, completion_only_loss=False), Pair("what is it", "a book"))
    assert whole == spoken


def test_a_text_that_ends_itself_is_not_ended_twice(folder: Path) -> None:
    assert learned(encoder(folder), Text("plain text</s>")) == ("plain text </s>", "plain text </s>")


def test_a_row_that_the_template_refuses_is_a_fault_and_the_others_go_on(folder: Path) -> None:
    template = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}" + MARKED
    bad = Conversation([{"role": "system", "content": "no"}, *TALK.messages])
    refused, good = encoder(folder, template).encode([bad, TALK], [0, 1])
    assert isinstance(refused, Fault)
    assert refused.code is Code.TEMPLATE_REFUSED
    assert isinstance(good, TokenisedRow)
    assert good.origin == 1


def test_a_template_that_is_none_names_its_field(folder: Path) -> None:
    with pytest.raises(UserError, match=r"ModelConfig\.chat_template is no jinja template: line 1"):
        encoder(folder, "{% for %}")


def test_an_end_of_sequence_that_the_model_does_not_have_is_refused_with_what_was_meant(folder: Path) -> None:
    with pytest.raises(UserError, match=r"eos_token: <\|ende\|> is not in .* \(did you mean '<\|end\|>'\?\)"):
        encoder(folder, eos_token="<|ende|>")


def test_a_model_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tokenizer\.json"):
        encoder(tmp_path)
