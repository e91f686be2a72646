"""Evaluation mode, or constant parameters, for a while."""

from __future__ import annotations

import pytest
from torch import nn

from tlml.networks.modes import constant, evaluating


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


def test_what_was_trained_is_trained_again() -> None:
    network = nn.Linear(2, 1)
    network.bias.requires_grad_(False)
    with pytest.raises(KeyError), constant(network):
        assert not any(parameter.requires_grad for parameter in network.parameters())
        raise KeyError
    assert (network.weight.requires_grad, network.bias.requires_grad) == (True, False)
