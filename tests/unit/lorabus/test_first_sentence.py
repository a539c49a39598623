"""An answer is right when it says the same to the first sentence, word for word."""

import pytest

from lorabus.first_sentence import first_sentence, says_the_same


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Return x. Then more.", "Return x."),
        ("Return\n  x.", "Return x."),
        ("Use os.path.join here. More", "Use os.path.join here."),
        ("No full stop", "No full stop"),
        ("", ""),
    ],
)
def test_a_sentence_ends_where_a_space_follows_its_stop(text: str, first: str) -> None:
    assert first_sentence(text) == first


def test_only_the_same_words_are_right() -> None:
    assert says_the_same("Return x. And nonsense follows.", "Return x.")
    assert not says_the_same("Return y.", "Return x.")
    assert not says_the_same("", "")
