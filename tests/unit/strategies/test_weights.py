"""Weights of examples, checked."""

from __future__ import annotations

import pytest
import torch
from refusals import fails

from tlml import Strategy
from tlml.strategies import weights_of


@pytest.mark.parametrize(
    "weights",
    [torch.ones(3), torch.ones(4, 1), torch.tensor([1.0, 2, 3, -1]), torch.full((4,), torch.nan)],
)
def test_weights_that_do_not_fit_are_refused(weights):
    with fails(
        "strategy Strategy: weigh_samples must return 4 finite weights ≥ 0, one for each source "
        f"example; it gave shape {tuple(weights.shape)}"
    ):
        weights_of(weights, 4, Strategy())


def test_weights_that_fit_are_kept():
    weights = torch.tensor([0.0, 1.0])
    assert weights_of(weights, 2, Strategy()) is weights
    assert weights_of(None, 2, Strategy()) is None
