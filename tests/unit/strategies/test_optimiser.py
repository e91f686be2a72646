"""The optimiser of a strategy."""

from __future__ import annotations

from refusals import fails

from tlml import Strategy


def test_the_optimiser_of_a_strategy_is_checked():
    with fails("optimizer: 'adma' is not one of adam, adamw, sgd"):
        Strategy(optimizer="adma")
    with fails("weight_decay: must be at least 0, is -1"):
        Strategy(weight_decay=-1)
