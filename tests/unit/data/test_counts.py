"""Counts: a number, or a range to draw from."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlml.data.counts import as_amounts, as_counts, drawn, highest, largest, lowest, sides
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


@pytest.mark.parametrize("value", ["5", "ALL", 0.0, 1.0, 2.5, -0.1, True, {"low": 1}, float("nan")])
def test_what_is_neither_count_nor_share_nor_all_is_refused(value: object) -> None:
    message = (
        "queries: must be a whole number, a pair [low, high] of them, a share such as 0.1, or all, "
        f"is {value}"
    )
    with pytest.raises(TlmlError, match=f"^{re.escape(message)}$"):
        as_amounts("queries", value)


amounts = st.one_of(
    st.integers(1, 9), st.floats(0.01, 0.99), st.just("all"),
    st.tuples(st.integers(1, 3), st.integers(3, 6)),
)  # fmt: skip
totals = st.integers(1, 40)


@given(amounts, amounts, totals, st.none() | st.integers(0, 40), st.integers(0, 99))
def test_each_side_takes_what_was_asked_for(
    shots: Any, queries: Any, train: int, test: int | None, seed: int
) -> None:
    shots, queries = as_amounts("shots", shots), as_amounts("queries", queries)
    found = sides(shots, queries, train, test, np.random.default_rng(seed))
    if found is None:
        assert shots == queries == "all" and test is None
        return
    whole = train if test is None else test
    for value, taken, total in ((shots, found[0], train), (queries, found[1], whole)):
        assert taken >= 1
        if isinstance(value, float):
            assert abs(taken - value * total) <= 0.5 or taken == 1
        elif value != "all":
            assert lowest(value) <= taken <= largest(value)
    if test is not None:
        assert shots != "all" or found[0] == train
        assert queries != "all" or found[1] == max(test, 1)
    elif "all" in (shots, queries) and train >= 2 and min(found) < train:
        assert sum(found) == train or 1 in found  # what the other side leaves, at least one


@given(st.integers(1, 9), totals, totals)
def test_numbers_draw_nothing_whatever_is_beside_them(number: int, train: int, test: int) -> None:
    rng, other = np.random.default_rng(0), np.random.default_rng(0)
    for value in ("all", 0.5):
        sides(number, value, train, test, rng)
    assert rng.integers(2**62) == other.integers(2**62)
