"""La-MAML on networks of convolutions: single examples by hand against autograd."""

from __future__ import annotations

import pytest
import torch
from lamaml_sides import CLASSES, ORDERS, distance, draws, network
from torch import nn

import tlml
from tlml import Batch
from tlml_continual.lamaml_paths.layers import chain_of


def convolutions(*middle: nn.Module) -> nn.Sequential:
    """Two convolutions with all that they can have, and two linear layers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        first, second, third = middle
        return nn.Sequential(
            nn.Conv2d(2, 3, 3, stride=2, padding=1), first,
            nn.Conv2d(3, 4, (2, 3), padding=(1, 0), dilation=(1, 2)), second,
            nn.Flatten(), nn.Linear(20, 6), third, nn.Linear(6, CLASSES),
        ).double()  # fmt: skip


@pytest.mark.parametrize("clip", [None, 0.05])
@pytest.mark.parametrize("loss_at", ["mean", "last"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
def test_convolutions_by_hand_are_those_of_autograd(
    activation: type[nn.Module], order: str, loss_at: str, clip: float | None
) -> None:
    found = []
    for path in ("plain", "auto"):
        net = convolutions(nn.ReLU(), activation(), nn.Tanh())
        before = [p.detach().clone() for p in net.parameters()]
        learner = tlml.learner(
            "lamaml", network=net, order=order, loss_at=loss_at, path=path, alpha_init=0.1,
            alpha_lr=0.5, inner_clip=clip,
        ).double()  # fmt: skip
        rng = torch.Generator().manual_seed(5)
        for number in range(3):
            own, replay = (
                Batch(torch.randn(len(x), 2, 7, 9, generator=rng, dtype=x.dtype), y)
                for x, y in draws(number)
            )
            learner.meta_update(own, replay)
        [chosen] = learner._paths.values()
        assert chosen.path.name == ("plain" if path == "plain" else "closed")
        moves = [p - old for p, old in zip(net.parameters(), before, strict=True)]
        found.append([*moves, *(rate - 0.1 for rate in learner.alpha.values())])
    assert distance(found[1], found[0]) < 1e-9


def test_networks_that_are_no_chains_take_another_path() -> None:
    def chain(*layers: nn.Module) -> nn.Sequential:
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8, 2))

    others = {
        "groups": chain(nn.Conv2d(2, 2, 3, groups=2), nn.ReLU()),
        "no bias": chain(nn.Conv2d(1, 2, 3, bias=False), nn.ReLU()),
        "other padding": chain(nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular"), nn.ReLU()),
        "padding by name": chain(nn.Conv2d(1, 2, 3, padding="same"), nn.ReLU()),
        "pooling": chain(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2)),
        "norm": chain(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU()),
        "linear before": chain(nn.Linear(4, 4), nn.ReLU(), nn.Conv2d(1, 2, 3), nn.ReLU()),
        "twice linear": chain(nn.Conv2d(1, 2, 3)),
        "not flattened": nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Linear(2, 2)),
        "flattened in part": nn.Sequential(
            nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(2), nn.ReLU(), nn.Linear(2, 2)
        ),
        "perceptron": network(),
    }
    assert [name for name, net in others.items() if chain_of(net) is not None] == []
    found = chain_of(convolutions(nn.ReLU(), nn.Tanh(), nn.ReLU()))
    assert found is not None
    assert [link.weight for link in found] == ["0.weight", "2.weight", "5.weight", "7.weight"]
    assert [link.activation for link in found] == ["relu", "tanh", "relu", ""]
    assert found[1].patches == ((2, 3), (1, 2), (1, 0), (1, 1))
