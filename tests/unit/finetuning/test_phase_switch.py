"""Phases at work on parameters, BatchNorms and optimisers, without a Trainer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import nn

from tlml import Group, Phase, Strategy, TlmlError
from tlml.finetuning.phase_switch import Phasing, own_parameters, update_statistics


class Halves(Strategy):
    """Body frozen for two steps; then all, the body at a tenth of the rate."""

    def phases(self, names: Sequence[str]) -> list[Phase]:
        return [
            Phase(2, [Group("2.*")]),
            Phase(1.0, [Group("2.*"), Group("*", lr=0.1, bn="adapt")]),
        ]


class Sharing(Strategy):
    def phases(self, names: Sequence[str]) -> list[Phase]:
        return [Phase(0.5, [Group("2.*")]), Phase(1.0, [Group("*")])]


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))


def optimizer(*groups: Any) -> torch.optim.SGD:
    return torch.optim.SGD([{"params": list(group)} for group in groups], lr=1.0)


def test_the_phase_is_a_function_of_the_step() -> None:
    phasing = Phasing(network(), Halves(), lambda: None)
    assert [phasing.at(step).end for step in (0, 1, 2, 100)] == [2, 2, None, None]


def test_a_share_is_asked_of_the_whole_and_refused_without_an_end() -> None:
    assert Phasing(network(), Sharing(), lambda: 10).at(4).end == 5
    with pytest.raises(TlmlError, match="share"):
        Phasing(network(), Sharing(), lambda: None)


def test_what_is_frozen_requires_no_gradient_and_gets_it_back() -> None:
    net = network()
    phasing = Phasing(net, Halves(), lambda: None)
    phasing.enter(0, toggle=True)
    assert [p.requires_grad for p in net.parameters()] == [False] * 4 + [True] * 2
    assert not net[1].training  # frozen: by its stored statistics
    phasing.enter(2, toggle=True)
    assert all(p.requires_grad for p in net.parameters())
    phasing.enter(0, toggle=True)
    phasing.release()
    assert all(p.requires_grad for p in net.parameters())


def test_without_toggling_the_gradients_are_dropped() -> None:
    net = network()
    phasing = Phasing(net, Halves(), lambda: None)
    phasing.enter(0, toggle=False)
    net(torch.randn(4, 2)).sum().backward()
    phasing.drop_frozen(0)
    assert [p.grad is None for p in net.parameters()] == [True] * 4 + [False] * 2


def test_rates_are_scaled_while_the_optimiser_steps_only() -> None:
    net, step = network(), [2]
    phasing = Phasing(net, Halves(), lambda: None)
    stepping = optimizer([*net[0].parameters(), *net[1].parameters()], net[2].parameters())
    phasing.follow([stepping], lambda: step[0])
    before = net[0].weight.detach().clone()
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    stepping.step()
    torch.testing.assert_close(net[0].weight.detach(), before - 0.1)
    assert [group["lr"] for group in stepping.param_groups] == [1.0, 1.0]
    phasing.release()
    stepping.step()
    torch.testing.assert_close(net[0].weight.detach(), before - 1.1)


def test_a_group_of_two_rates_is_named() -> None:
    net = network()
    phasing = Phasing(net, Halves(), lambda: None)
    with pytest.raises(TlmlError) as caught:
        phasing.follow([optimizer(net.parameters())], lambda: 0)
    assert str(caught.value) == (
        "optimizer: its group 0 holds parameters with the rates 0.1, 1.0 in phase 1; "
        "make it over tlml.param_groups(network, strategy)"
    )


def test_what_learns_and_is_in_no_optimiser_is_named() -> None:
    net = network()
    phasing = Phasing(net, Halves(), lambda: None)
    with pytest.raises(TlmlError) as caught:
        phasing.follow([optimizer(net[2].parameters())], lambda: 0)
    assert str(caught.value) == (
        "parameter '0.weight' learns and is in no optimizer; "
        "make it over tlml.param_groups(network, strategy)"
    )


def test_a_norm_that_adapts_updates_what_it_stores_while_it_uses_it() -> None:
    net, x = network(), torch.randn(8, 2)
    phasing = Phasing(net, Halves(), lambda: None)
    phasing.enter(2, toggle=True)
    stored = net[1].running_mean.clone()
    net(x)
    assert not net[1].training and not torch.equal(net[1].running_mean, stored)
    stored = net[1].running_mean.clone()
    phasing.leave()
    net(x)
    assert torch.equal(net[1].running_mean, stored)


@pytest.mark.parametrize("momentum", [0.1, None])
def test_statistics_are_updated_as_torch_does_in_training(momentum: float | None) -> None:
    ours, torchs = (nn.BatchNorm1d(2, momentum=momentum) for _ in range(2))
    for seed in range(3):
        x = torch.randn(6, 2, generator=torch.Generator().manual_seed(seed))
        update_statistics(ours, x)
        torchs(x)
    for name, value in torchs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value)


def test_what_a_strategy_owns_is_not_the_networks() -> None:
    net, strategy = network(), Halves()
    strategy.extra = nn.Linear(1, 1)
    net.strategy = strategy
    assert list(own_parameters(net, strategy)) == [
        "0.weight", "0.bias", "1.weight", "1.bias", "2.weight", "2.bias",
    ]  # fmt: skip
