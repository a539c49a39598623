"""`WWW-Authenticate` in all its spellings."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.registry.challenge import Challenge, choose, parse_challenges

HUB = 'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push"'


@pytest.mark.parametrize(
    ("header", "challenges"),
    [
        (
            HUB,
            [
                Challenge(
                    "bearer",
                    {
                        "realm": "https://auth.example/token",
                        "service": "registry.example",
                        "scope": "repository:a/b:pull,push",
                    },
                )
            ],
        ),
        ("Basic realm=registry", [Challenge("basic", {"realm": "registry"})]),
        (
            'Basic realm="a, b" , Bearer realm="c"',
            [Challenge("basic", {"realm": "a, b"}), Challenge("bearer", {"realm": "c"})],
        ),
        (r'basic realm="a \"b\""', [Challenge("basic", {"realm": 'a "b"'})]),
        ("Negotiate", [Challenge("negotiate")]),
        ('Bearer realm = "c" , service = d', [Challenge("bearer", {"realm": "c", "service": "d"})]),
        ("", []),
        ('"', []),
        ('Bearer realm="unclosed', [Challenge("bearer")]),
    ],
)
def test_headers(header: str, challenges: list[Challenge]) -> None:
    assert parse_challenges(header) == challenges


def test_a_token_is_preferred_and_the_unknown_is_left_out() -> None:
    assert choose(["Basic realm=x", HUB]) == parse_challenges(HUB)[0]
    assert choose(["Negotiate", "Basic realm=x"]) == Challenge("basic", {"realm": "x"})
    assert choose(["Bearer service=x"]) is None
    assert choose([]) is None


@given(st.text(max_size=200))
def test_any_header_is_read_without_a_fault(header: str) -> None:
    for challenge in parse_challenges(header):
        assert challenge.scheme


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_quoted_values_come_back(value: str) -> None:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    assert parse_challenges(f'Bearer realm="{quoted}",service=x') == [
        Challenge("bearer", {"realm": value, "service": "x"})
    ]


def test_a_header_of_blanks_is_read_at_once() -> None:
    """Each stretch of them was tried with a comma at every place: most of a second, while nothing else ran."""
    began = time.process_time()
    assert parse_challenges(f"a{' ' * 8000}!")[0] == Challenge("a")
    assert time.process_time() - began < 0.2
