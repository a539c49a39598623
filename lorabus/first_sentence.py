"""When is an answer right? When it says what the row's completion says, word for word, up to the first sentence."""

import re

_END = re.compile(r"(?<=[.!?])\s")


def first_sentence(text: str) -> str:
    """Up to the first full stop that a space follows; runs of white space count as one space."""
    return _END.split(" ".join(text.split()), maxsplit=1)[0]


def says_the_same(answer: str, expected: str) -> bool:
    """Word for word, to the first sentence."""
    return bool(answer) and first_sentence(answer) == first_sentence(expected)
