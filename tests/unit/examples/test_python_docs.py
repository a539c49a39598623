"""The example rows: many, each once, always the same, and those held out are really unseen."""

import json
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import python_docs
from examples.python_docs import Row, first_sentence, opening


@pytest.fixture(scope="module")
def every() -> list[Row]:
    return python_docs.rows()


@pytest.fixture(scope="module")
def parts(every: list[Row]) -> python_docs.Split:
    return python_docs.split(every)


def test_there_are_thousands_of_rows_with_a_question_and_a_short_answer(every: list[Row]) -> None:
    assert len(every) >= 2500
    for row in every:
        assert row.name in row.prompt
        assert python_docs.SHORTEST <= len(row.completion) <= python_docs.LONGEST
        assert row.completion == " ".join(row.completion.split())


def test_no_question_and_no_answer_comes_twice(every: list[Row]) -> None:
    assert len({row.prompt for row in every}) == len(every)
    assert len({row.completion for row in every}) == len(every)


def test_the_rows_are_the_same_every_time(every: list[Row]) -> None:
    assert python_docs.rows() == every


def test_the_first_rows_are_a_sample_of_the_whole_library(every: list[Row]) -> None:
    assert len({row.name.split(".")[0] for row in every[:100]}) >= 30


def test_every_part_of_the_split_is_there(parts: python_docs.Split) -> None:
    assert len(parts.taught) >= 30
    assert len(parts.evaluation) == python_docs.EVALUATION_ROWS
    assert len(parts.pretraining) >= 2400


def test_the_parts_share_no_question_and_no_first_sentence(parts: python_docs.Split) -> None:
    for one, other in combinations((parts.pretraining, parts.taught, parts.evaluation), 2):
        assert {row.prompt for row in one}.isdisjoint(row.prompt for row in other)
        sentences = {first_sentence(row.completion) for row in one}
        assert sentences.isdisjoint(first_sentence(row.completion) for row in other)


def test_taught_answers_are_single_short_sentences(parts: python_docs.Split) -> None:
    for row in parts.taught:
        assert first_sentence(row.completion) == row.completion
        assert len(row.completion) <= 120


def test_two_objects_with_the_same_text_make_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python_docs, "MODULES", ("os.path", "posixpath", "os.path"))
    names = [row.name for row in python_docs.rows()]
    assert "os.path.join" in names
    assert not [name for name in names if name.startswith("posixpath.")]


def test_a_module_that_this_python_lacks_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python_docs, "MODULES", ("no_such_module_here", "shlex"))
    assert "shlex.quote" in {row.name for row in python_docs.rows()}


@pytest.mark.parametrize(
    ("documentation", "expected"),
    [
        ("One line that says enough.", "One line that says enough."),
        ("A line without its full stop", "A line without its full stop."),
        ("Wrapped over\n    two lines of text.", "Wrapped over two lines of text."),
        ("spam(eggs, ham) -> int\n\nCount all of the eggs.", "Count all of the eggs."),
        ("spam(eggs)\nCount all of the eggs.", "Count all of the eggs."),
        ("A title of the thing\n\nThen more of it.", "A title of the thing. Then more of it."),
        ("It has these parts of note.\n\n- one\n- two", "It has these parts of note."),
        ("It has these parts of note.\n\nNamely these:\n\n    one", "It has these parts of note."),
        ("It has these parts of note.\n\n>>> spam()", "It has these parts of note."),
        ("Too short.", ""),
        ("<function spam at 0x7f00> is what it shows.", ""),
        ("word " * 100, ""),
        ("This says enough already. Then" + " word" * 100, "This says enough already."),
        ("", ""),
        (None, ""),
    ],
)
def test_opening_keeps_the_prose_that_a_docstring_begins_with(documentation: str | None, expected: str) -> None:
    assert opening(documentation) == expected


@given(st.text(max_size=2000))
def test_opening_is_one_line_of_bounded_length_whatever_it_reads(documentation: str) -> None:
    text = opening(documentation)
    assert text == "" or python_docs.SHORTEST <= len(text) <= python_docs.LONGEST
    assert "\n" not in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One thing. Another thing.", "One thing."),
        ("It is e.g. a list. More follows.", "It is e.g. a list."),
        ("Only one.", "Only one."),
    ],
)
def test_first_sentence(text: str, expected: str) -> None:
    assert first_sentence(text) == expected


def test_both_layouts_hold_the_same_question_and_answer() -> None:
    row = Row("spam.eggs", "What does `spam.eggs` do?", "Count all of the eggs.")
    assert row.as_prompt() == {"prompt": row.prompt, "completion": row.completion}
    assert json.loads(json.dumps(row.as_messages())) == {
        "messages": [
            {"role": "user", "content": row.prompt},
            {"role": "assistant", "content": row.completion},
        ]
    }
