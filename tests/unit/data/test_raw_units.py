from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny import Letters

from tlml.data import Batch, tell_raw_units
from tlml.data.raw_units import raw_columns

X = torch.tensor([[1010.0, 0.0], [1016.0, 1.0]])
Y = torch.tensor([[0.0], [40.0]])


def test_columns_beyond_10_are_told_with_mean_and_deviation() -> None:
    assert tell_raw_units(Batch(X, Y)) == (
        " or scale the data to about 1: input 0 has mean 1013 and deviation 3; target 0 has "
        "mean 20 and deviation 20"
    )


def test_columns_are_told_by_the_names_that_a_domain_has() -> None:
    domain: Any = Letters()
    domain.input_names, domain.target_names = ["pressure", "wind"], ["temp"]
    told = tell_raw_units(Batch(X, Y), domain)
    assert "input 'pressure' has mean" in told and "target 'temp' has mean" in told


def test_of_many_columns_some_are_told() -> None:
    told = tell_raw_units(Batch(X[:, :1].expand(2, 9), Y / 100))
    assert told.count("input") == 3 and told.endswith(" and 6 more")


@pytest.mark.parametrize(
    "batch",
    [
        Batch(X / 1000, Y / 100),
        Batch(X[:0], Y[:0]),
        Batch(torch.full((2, 3, 8, 8), 255.0), torch.tensor([0, 99])),
    ],
    ids=["scaled", "empty", "images of classes"],
)
def test_what_is_of_the_right_size_is_no_matter(batch: Batch) -> None:
    assert tell_raw_units(batch) == ""


def test_ten_itself_is_not_beyond_it() -> None:
    assert list(raw_columns(torch.tensor([[10.0], [10.0]]), "input")) == []
    assert len(list(raw_columns(torch.tensor([[-11.0], [-11.0]]), "input"))) == 1
