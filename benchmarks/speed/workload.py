"""A case's episode, tlml's network for it, and the network that others would write."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import tlml
from benchmarks.speed.cases import Case, Images, Waves
from tlml import Batch, Episode
from tlml.networks import conv4, mlp


def episode(case: Case) -> Episode:
    """Return a batch of tasks, ``[tasks, n, ...]``."""
    data = case.data
    if not isinstance(data, Images):
        view = tlml.EpisodeView(
            tlml.domain("sinusoid"), shots=data.shots, queries=data.queries,
            tasks_per_batch=case.tasks,
        )  # fmt: skip
        drawn_waves: Episode = next(iter(view.train_dataloader()))
        return drawn_waves
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(data.ways)

    def drawn(each: int) -> Batch:
        y = labels.repeat(each).expand(case.tasks, -1).contiguous()
        shape = (*y.shape, data.channels, data.size, data.size)
        return Batch(torch.rand(shape, generator=generator), y)

    return Episode(drawn(data.shots), drawn(data.queries))


def network(case: Case) -> nn.Module:
    """Return tlml's network, always with the same weights."""
    data = case.data
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if isinstance(data, Images):
            shape = (data.channels, data.size, data.size)
            return conv4(shape, data.ways, channels=data.filters)
        return mlp((1,), 1, hidden=data.hidden)


def usual(case: Case) -> nn.Module:
    """Return the usual network with the same weights: what others' code runs.

    Of images that is Conv4 as it is mostly written: convolutions with bias, here zero, BatchNorm by
    the batch's statistics, ReLU and then max-pooling.
    """
    ours = network(case)
    if not isinstance(case.data, Images):
        return copy.deepcopy(ours)
    layers: list[nn.Module] = []
    inputs = case.data.channels
    filters = case.data.filters
    side = case.data.size
    for _ in range(4):
        norm = nn.BatchNorm2d(filters, track_running_stats=False)
        layers += [nn.Conv2d(inputs, filters, 3, padding=1), norm, nn.ReLU(), nn.MaxPool2d(2)]
        inputs, side = filters, side // 2
    head = nn.Linear(filters * side * side, case.data.ways)
    return _with_weights(nn.Sequential(*layers, nn.Flatten(), head), ours)


class Perceptron(nn.Module):
    """An MLP of two hidden layers as people write it."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.one = nn.Linear(1, hidden)
        self.two = nn.Linear(hidden, hidden)
        self.head = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[n, 1]`` to ``[n, 1]``."""
        found: Tensor = self.head(F.relu(self.two(F.relu(self.one(x)))))
        return found


def own(case: Case) -> nn.Module:
    """Return the MLP as a class with a forward of its own, with the same weights."""
    assert isinstance(case.data, Waves)
    return _with_weights(Perceptron(case.data.hidden[0]), network(case))


def shared(network: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that both networks have, in order: no biases of convolutions.

    BatchNorm subtracts the mean, so that such a bias has no effect and no gradient.
    """
    return [
        p
        for module in network.modules()
        for name, p in module.named_parameters(recurse=False)
        if not (isinstance(module, nn.Conv2d) and name == "bias")
    ]


def _with_weights(theirs: nn.Module, ours: nn.Module) -> nn.Module:
    with torch.no_grad():
        for module in theirs.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                module.bias.zero_()
        for to, value in zip(shared(theirs), shared(ours), strict=True):
            to.copy_(value)
    return theirs
