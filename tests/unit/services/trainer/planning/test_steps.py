"""Every row is trained on once an epoch, in an order that anybody can compute again."""

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from services.trainer.planning.packing import pack
from services.trainer.planning.steps import Schedule, passes, share

LENGTHS = st.lists(st.integers(1, 300), min_size=1, max_size=60).map(lambda values: np.array(values, np.int64))
Lengths = npt.NDArray[np.int64]


@given(lengths=LENGTHS, limit=st.integers(1, 400))
def test_packs_hold_every_row_once_and_are_full_only_with_what_fits(lengths: Lengths, limit: int) -> None:
    packs = pack(lengths, limit)
    assert sorted(row for rows in packs for row in rows) == list(range(len(lengths)))
    assert all(len(rows) == 1 or lengths[list(rows)].sum() <= limit for rows in packs)


@given(lengths=LENGTHS)
def test_no_two_packs_could_be_one(lengths: Lengths) -> None:
    sizes = sorted(int(lengths[list(rows)].sum()) for rows in pack(lengths, 512))
    assert len(sizes) < 2 or sizes[0] + sizes[1] > 512


@given(
    lengths=LENGTHS,
    per_step=st.integers(1, 20),
    sampling=st.sampled_from(["random", "sequential", "group_by_length", "batch_rebalance"]),
    packed=st.booleans(),
)
def test_an_epoch_has_every_row_once(lengths: Lengths, per_step: int, sampling: str, packed: bool) -> None:
    schedule = Schedule(pack(lengths, 512) if packed else None, lengths, per_step, seed=5, sampling=sampling)
    for epoch in (0, 3):
        order = schedule.order(epoch)
        first = epoch * schedule.steps_per_epoch
        steps = [schedule.rows(step, order) for step in range(first, first + schedule.steps_per_epoch)]
        assert sorted(row for rows in steps for row in rows) == list(range(len(lengths)))
        assert all(steps)


def test_epochs_differ_and_the_same_seed_gives_the_same_order() -> None:
    lengths = np.arange(1, 101)
    one, other = (Schedule(None, lengths, 4, seed=9) for _ in range(2))
    assert one.order(2).tolist() == other.order(2).tolist()
    assert one.order(2).tolist() != one.order(3).tolist()
    assert one.order(2).tolist() != Schedule(None, lengths, 4, seed=10).order(2).tolist()


def test_rows_of_similar_length_share_a_step_when_asked_for() -> None:
    lengths = np.random.default_rng(1).integers(1, 1000, 800)
    spread = {}
    for sampling in ("random", "group_by_length"):
        schedule = Schedule(None, lengths, 8, seed=3, sampling=sampling)
        order = schedule.order(0)
        spread[sampling] = np.mean([np.ptp(lengths[schedule.rows(step, order)]) for step in range(100)])
    assert spread["group_by_length"] < 0.1 * spread["random"]


@given(lengths=LENGTHS, tokens=st.integers(1, 600), padded=st.booleans())
def test_passes_hold_every_row_once_and_stay_within_their_tokens(lengths: Lengths, tokens: int, padded: bool) -> None:
    parts = passes(range(len(lengths)), lengths, tokens, padded=padded)
    assert sorted(row for rows in parts for row in rows) == list(range(len(lengths)))
    for rows in parts:
        size = len(rows) * int(lengths[rows].max()) if padded else int(lengths[rows].sum())
        assert len(rows) == 1 or size <= tokens


@given(lengths=LENGTHS, processes=st.integers(1, 5))
def test_processes_share_a_step_without_overlap(lengths: Lengths, processes: int) -> None:
    rows = range(len(lengths))
    shares = [share(rows, lengths, process, processes) for process in range(processes)]
    assert sorted(row for part in shares for row in part) == list(rows)
    loads = [int(lengths[part].sum()) for part in shares]
    assert max(loads) - min(loads) <= int(lengths.max())
