import pytest

from services.trainer.dataset.chat import CHATML, ChatTemplate, TemplateRefused

SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}
TALK = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"},
    {"role": "user", "content": "Bye"},
    {"role": "assistant", "content": "See you"},
]
# As many published templates are: no marks, and an end of the sequence only behind the last turn.
UNMARKED = """{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '<|end|>' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% endif %}"""


def said(template: ChatTemplate, messages: list[dict[str, str]], first: int = 0) -> list[str]:
    rendered = template.render(messages, first=first)
    return [rendered.text[start:end] for start, end in rendered.spans]


def test_chatml_for_models_without_a_template_ends_turns_with_the_end_of_sequence() -> None:
    rendered = ChatTemplate(CHATML, SPECIAL).render(TALK[:2])
    assert rendered.text == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|></s>\n"
    assert said(ChatTemplate(CHATML, SPECIAL), TALK) == ["Hello<|im_end|></s>", "See you<|im_end|></s>"]


def test_marks_leave_no_trace_and_the_prompt_is_the_beginning_of_the_whole() -> None:
    template = ChatTemplate(CHATML, SPECIAL)
    text = template.render(TALK[:2]).text
    assert text.startswith(template.prompt(TALK[:1]))
    assert text.isprintable() or set(text) - {c for c in text if c.isprintable()} == {"\n"}


def test_without_marks_the_turns_are_what_follows_the_prompt_for_them() -> None:
    # A few characters of the next turn's head may be shared with the end; the tokens' borders settle that.
    hello, see_you = said(ChatTemplate(UNMARKED, SPECIAL), TALK)
    assert hello.removesuffix("<") == "Hello<|end|>"
    assert see_you == "See you<|end|></s>"


@pytest.mark.parametrize("source", [CHATML, UNMARKED])
def test_turns_of_a_prompt_are_not_learned(source: str) -> None:
    spoken = said(ChatTemplate(source, SPECIAL), TALK, first=3)
    assert len(spoken) == 1
    assert spoken[0].startswith("See you")


def test_a_template_may_refuse_a_conversation() -> None:
    template = ChatTemplate("{{ raise_exception('no system role') }}", SPECIAL)
    with pytest.raises(TemplateRefused, match="no system role"):
        template.render(TALK)


@pytest.mark.parametrize(
    "source",
    [
        "{{ messages.__class__.__mro__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ messages.append(1) }}",
    ],
)
def test_a_template_cannot_leave_its_sandbox(source: str) -> None:
    with pytest.raises(TemplateRefused):
        ChatTemplate(source, SPECIAL).render(TALK)


def test_what_is_no_template_is_named_with_its_line() -> None:
    with pytest.raises(ValueError, match="line 2"):
        ChatTemplate("{{ 1 }}\n{% for %}", SPECIAL)


def test_the_same_row_is_the_same_text_tomorrow() -> None:
    assert ChatTemplate("{{ strftime_now('%d %b %Y') }}", SPECIAL).prompt(TALK) == "26 Jul 2024"


def test_a_template_that_rewrites_earlier_turns_gets_the_last_one_learned() -> None:
    source = """{% for m in messages %}{{ '<|' + m['role'] + '|>' }}
{%- if m['role'] == 'assistant' and loop.last %}{{ '<think></think>' }}{% endif %}{{ m['content'] + '<|end|>' }}
{%- endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"""
    assert said(ChatTemplate(source, SPECIAL), TALK) == ["<think></think>See you<|end|>"]


def quiet(*turns: int) -> list[dict[str, object]]:
    """The talk with a weight of 0 on some turns."""
    return [{**message, "weight": 0} if number in turns else {**message} for number, message in enumerate(TALK)]


# The last template marks the role and the words apart: two marks a turn.
TWO_MARKS = CHATML.replace(
    "{{- message['content']", "{{- message['role'] -}}{%- endgeneration -%}|{%- generation -%}{{- message['content']", 1
)


@pytest.mark.parametrize("source", [CHATML, UNMARKED, TWO_MARKS])
@pytest.mark.parametrize(("turn", "words", "others"), [(1, "Hello", "See you"), (3, "See you", "Hello")])
def test_a_turn_of_weight_0_is_left_out_and_leaves_no_trace(source: str, turn: int, words: str, others: str) -> None:
    template = ChatTemplate(source, SPECIAL)
    rendered = template.render(quiet(turn))
    said = "".join(rendered.text[start:end] for start, end in rendered.spans)
    left_out = "".join(rendered.text[start:end] for start, end in rendered.left_out)
    assert rendered.text == template.render(TALK).text
    assert (words in said, words in left_out) == (False, True)
    assert (others in said, others in left_out) == (True, False)


def test_a_template_that_marks_earlier_turns_differently_is_refused_for_a_weight() -> None:
    source = """{% for m in messages %}{% if m['role'] == 'assistant' %}{% generation %}
{%- if loop.last %}<think></think>{% endif %}{{ m['content'] }}{% endgeneration %}
{%- else %}{{ m['content'] }}{% endif %}{% endfor %}"""
    template = ChatTemplate(source, SPECIAL)
    assert len(template.render(TALK).spans) == 2
    with pytest.raises(TemplateRefused, match="weight 0"):
        template.render(quiet(1))
