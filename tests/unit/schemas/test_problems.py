"""How problems are said: short, printable, with the name that was meant."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.problems import MAX_REPORTED, Findings, Problem, did_you_mean, kind, nearest, shown


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lora_alpa", "lora_alpha"),
        ("LORA_ALPHA", "lora_alpha"),
        ("xx", None),
        ("", None),
        (7, None),
        (None, None),
        ("lora_alpha" * 10, None),
    ],
)
def test_nearest(name: object, expected: str | None) -> None:
    assert nearest(name, ["r", "lora_alpha", "lora_dropout"]) == expected
    assert (expected or "(did") in (did_you_mean(name, ["r", "lora_alpha"]) or "(did")


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.text(), st.integers(), st.floats(), st.lists(st.text()), st.binary(), st.none()))
def test_what_is_shown_is_short_and_printable(value: object) -> None:
    text = shown(value)
    assert text.isprintable()
    assert len(text) <= 81


def test_huge_values_are_shown_without_being_written_out() -> None:
    assert shown("x" * 10**7) == "x" * 80 + "…"
    assert shown(["x"] * 10**6) == "a list"
    assert shown(10**4000) == "a huge integer"
    assert shown("a\x1b[2Jb\n") == "a\\x1b[2Jb\\x0a"


@pytest.mark.parametrize(
    ("value", "name"),
    [(None, "null"), ({}, "a map"), ([], "a list"), ("", "text"), (True, "true/false"), (1, "an integer")],
)
def test_kinds_have_the_names_that_yaml_authors_use(value: object, name: str) -> None:
    assert kind(value) == name


def test_findings_stay_small() -> None:
    findings = Findings()
    for number in range(10_000):
        findings.refuse(str(number), "wrong")
        findings.warn("the same")
    assert findings.warnings == ["the same"]
    problems = list(findings.all_problems())
    assert problems[0] == Problem("0", "wrong")
    assert problems[0].as_dict() == {"path": "0", "message": "wrong"}
    assert len(problems) == MAX_REPORTED + 1
