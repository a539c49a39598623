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
