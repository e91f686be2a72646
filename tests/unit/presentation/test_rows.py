"""Rows and blocks: plain data, with empty defaults."""

from __future__ import annotations

import dataclasses

import pytest

from tlml.presentation import Block, Interval, Row


def test_a_row_of_which_nothing_is_done_is_empty() -> None:
    row = Row("full", 0, 3)
    assert (row.score, row.difference, row.cost) == (None, None, None)
    assert (row.worse, row.best, row.notes, dict(row.metrics)) == (False, False, (), {})


@pytest.mark.parametrize("value", [0, 5, 0.5, "large"])
def test_the_value_of_a_block_is_that_of_its_point(value: int | float | str) -> None:
    block = Block("d", "p", {"axis": value}, "accuracy", True, (), "")
    assert block.value == value


def test_an_interval_is_known_by_its_ends() -> None:
    nan, inf = float("nan"), float("inf")
    assert Interval(0.5, 0.4, 0.6).known
    assert not any(Interval(0.5, low, high).known for low, high in ((nan, nan), (0.1, inf)))


def test_they_can_not_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Row("full", 0, 3).best = True  # type: ignore[misc]
