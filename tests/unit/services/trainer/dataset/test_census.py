"""Counting, duplicates, and a split that can be repeated."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.trainer.dataset.census import BUCKETS, Census, fingerprint, histogram, split
from services.trainer.dataset.rows import Conversation, Pair, Text


def test_percentiles_are_lengths_of_real_rows() -> None:
    census = Census()
    for length in range(1, 101):
        census.add(length, length // 2, length)
    tokens = census.tokens()
    assert (tokens.total, tokens.trained, tokens.p50, tokens.p95, tokens.max) == (5050, 2500, 51, 96, 100)


def test_no_row_counts_as_nothing() -> None:
    assert Census().tokens().model_dump() == {
        "total": 0,
        "trained": 0,
        "p50": 0,
        "p95": 0,
        "max": 0,
        "lengths": None,
    }


@given(st.lists(st.integers(1, 10**7), min_size=1))
def test_each_row_is_in_one_of_a_few_equal_buckets_between_round_lengths(lengths: list[int]) -> None:
    made = histogram(np.array(lengths, np.int64))
    buckets = list(zip(made.edges, made.edges[1:], made.counts, strict=False))
    assert len(made.edges) == len(made.counts) + 1 <= BUCKETS + 1
    assert [sum(low <= length < high for length in lengths) for low, high, _ in buckets] == made.counts
    assert sum(made.counts) == len(lengths)
    (width,) = {high - low for low, high, _ in buckets}
    assert str(width).rstrip("0") in {"1", "2", "5"}


def test_duplicates_and_overlap() -> None:
    census = Census()
    for mark in (1, 2, 1, 1, 3):
        census.add(1, 1, mark)
    assert census.duplicates() == 2
    assert census.overlap(np.array([0, 1]), np.array([2, 3, 4])) == 2


def test_the_order_of_keys_makes_no_other_row() -> None:
    one = Conversation([{"role": "user", "content": "x"}])
    other = Conversation([{"content": "x", "role": "user"}])
    assert fingerprint(one) == fingerprint(other)
    assert len({fingerprint(row) for row in (one, Pair("x", "y"), Pair("y", "x"), Text("x"), Text("y"))}) == 5


@given(
    rows=st.integers(1, 500),
    share=st.floats(0, 1, exclude_min=True),
    shuffle=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_split_uses_each_row_once_and_can_be_repeated(rows: int, share: float, shuffle: bool, seed: int) -> None:
    train, evaluation = split(rows, share, shuffle=shuffle, seed=seed)
    assert sorted([*train, *evaluation]) == list(range(rows))
    assert len(train) >= 1
    again = split(rows, share, shuffle=shuffle, seed=seed)
    assert (train.tolist(), evaluation.tolist()) == (again[0].tolist(), again[1].tolist())


@pytest.mark.parametrize(("share", "kept"), [(1.0, 10), (0.8, 8), (0.01, 1), (0.99, 10)])
def test_the_share_that_is_trained_on(share: float, kept: int) -> None:
    train, _ = split(10, share, shuffle=False, seed=0)
    assert train.tolist() == list(range(kept))
