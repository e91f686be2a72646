"""Counts: a number, or a range to draw from."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlml.data.counts import as_counts, drawn, highest, lowest
from tlml.errors import TlmlError


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0, "shots: must be greater than 0, is 0"),
        ([0, 3], "shots: must be greater than 0, is 0"),
        ([4, 3], "shots: [4, 3] has its lower end above its upper end"),
        *(
            (value, f"shots: must be a whole number or a pair [low, high] of them, is {value}")
            for value in ("5", 2.5, [1], [1, 2, 3], [1, 2.5], True, {"low": 1})
        ),
    ],
)
def test_what_is_no_count_is_refused(value: object, message: str) -> None:
    with pytest.raises(TlmlError, match=f"^{re.escape(message)}$"):
        as_counts("shots", value)


def test_numbers_and_pairs_become_plain() -> None:
    assert [as_counts("n", value) for value in (3, np.int64(3))] == [3, 3]
    assert [as_counts("n", value) for value in ([1, 3], (1, np.int64(3)))] == [(1, 3), (1, 3)]


def test_a_number_uses_no_randomness() -> None:
    rng, other = np.random.default_rng(0), np.random.default_rng(0)
    assert drawn(4, rng) == 4
    assert rng.integers(2**62) == other.integers(2**62)


@given(st.integers(1, 9), st.integers(0, 4), st.integers(0, 2**32))
def test_a_range_is_drawn_from_with_both_its_ends(low: int, more: int, seed: int) -> None:
    value, rng = (low, low + more), np.random.default_rng(seed)
    assert {drawn(value, rng) for _ in range(200)} == set(range(low, low + more + 1))
    assert (lowest(value), highest(value)) == value
    assert lowest(low) == highest(low) == low
