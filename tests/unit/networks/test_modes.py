"""Evaluation mode for a while."""

from __future__ import annotations

import pytest
from torch import nn

from tlml.networks.modes import evaluating


def test_each_module_gets_its_own_mode_back() -> None:
    network = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2).eval(), nn.Linear(2, 1))
    before = [module.training for module in network.modules()]
    assert before == [True, True, False, True]
    with evaluating(network):
        assert not any(module.training for module in network.modules())
    assert [module.training for module in network.modules()] == before


def test_an_error_inside_changes_nothing_either() -> None:
    network = nn.Dropout()
    with pytest.raises(KeyError), evaluating(network):
        raise KeyError
    assert network.training
