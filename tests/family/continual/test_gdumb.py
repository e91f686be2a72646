"""GDumb against its sampler and its training, written out in loops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from refusals import fails
from tiny import Letters, Tables
from torch import Tensor, nn
from torch.nn import functional as F

import tlml
from tlml.data import Batch, Step
from tlml.views import ViewSpaces
from tlml_continual.memories.balanced import BalancedMemory

SPACES = ViewSpaces(Box(-np.inf, np.inf, (1,), np.float32), Discrete(5))


def sampler(labels: list[int], k: int) -> dict[int, tuple[int, int]]:
    """Algorithm 1; return which example, and of which class, is at which place."""
    kept: dict[int, tuple[int, int]] = {}
    seen: set[int] = set()
    for number, label in enumerate(labels):
        count = {c: sum(own == c for _, own in kept.values()) for c in range(5)}
        if label not in seen or count[label] < k / len(seen):
            place = len(kept)
            if len(kept) >= k:
                most = max(count.values())
                ties = [c for c in range(5) if count[c] == most]
                largest = ties[int(torch.randint(len(ties), ()))]
                members = [p for p in sorted(kept) if kept[p][1] == largest]
                place = members[int(torch.randint(len(members), ()))]
            kept[place] = (number, label)
        seen.add(label)
    return kept


def pushed(labels: list[int], k: int) -> BalancedMemory:
    memory = BalancedMemory(k, SPACES, 5)
    for numbers in torch.arange(len(labels)).split(3):
        batch = Batch(numbers[:, None].float(), torch.tensor(labels)[numbers])
        memory.push(batch, numbers // 10)
    return memory


@pytest.mark.parametrize("k", [3, 8, 13])
def test_the_memory_is_that_of_algorithm_1(k: int) -> None:
    rng = np.random.default_rng(k)
    labels = np.concatenate([rng.integers(0, t, 20) for t in (1, 2, 3, 5)]).tolist()
    torch.manual_seed(1)
    memory = pushed(labels, k)
    torch.manual_seed(1)
    expected = sampler(labels, k)
    assert len(memory) == len(expected) == k
    for place, (number, label) in expected.items():
        assert (int(memory.x[place]), int(memory.y[place])) == (number, label)
        assert int(memory.task[place]) == number // 10
    assert memory.counts.tolist() == torch.bincount(memory.y, minlength=5).tolist()


def test_classes_that_come_one_after_the_other_are_balanced() -> None:
    memory = pushed([c for c in range(5) for _ in range(30)], 13)
    assert sorted(memory.counts.tolist()) == [2, 2, 3, 3, 3]


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 6))


def learner(**options: Any) -> Any:
    small = {"memory_size": 7, "epochs_on_memory": 4, "batch_on_memory": 3, "seed": 5}
    made = tlml.learner("gdumb", network=network(), **{**small, **options})
    made.view(Letters(), ways=2)
    return made.double()


def example_steps(n: int) -> Step:
    x = torch.randn(n, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return Step(Batch(x, torch.arange(n) % 6), torch.arange(n) % 6 // 2)


def trained(
    x: Tensor, y: Tensor, epochs: int, lr: tuple[float, float], clip: float
) -> list[Tensor]:
    """Train the network above from scratch: momentum 0.9, weight decay 1e-6, cosine rates."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        drawn = [nn.Linear(2, 5, dtype=torch.float64), nn.Linear(5, 6, dtype=torch.float64)]
    theta = [p.detach().clone() for layer in drawn for p in layer.parameters()]
    speed = [torch.zeros_like(t) for t in theta]
    for epoch in range(epochs):
        rate = lr[1] + (lr[0] - lr[1]) * 0.5 * (1 + math.cos(math.pi * epoch / epochs))
        order = torch.randperm(len(x)).tolist()
        for rows in (order[:3], order[3:5], order[5:]):  # seven in three nearly equal parts
            w1, b1, w2, b2 = leaves = [t.clone().requires_grad_() for t in theta]
            scores = torch.tanh(x[rows] @ w1.T + b1) @ w2.T + b2
            slopes = torch.autograd.grad(F.cross_entropy(scores, y[rows]), leaves)
            norm = math.sqrt(sum(float(slope.square().sum()) for slope in slopes))
            slopes = tuple(slope * min(1.0, clip / (norm + 1e-6)) for slope in slopes)
            pairs = zip(speed, slopes, theta, strict=True)
            speed = [0.9 * v + slope + 1e-6 * t for v, slope, t in pairs]
            theta = [t - rate * v for t, v in zip(theta, speed, strict=True)]
    return theta


@pytest.mark.parametrize("clip", [10.0, 0.3])
def test_the_network_is_trained_from_scratch_on_the_memory_alone(clip: float) -> None:
    made = learner(lr=0.2, lr_min=0.01, clip=clip)
    before = [p.detach().clone() for p in made.network.parameters()]
    made.update(example_steps(40))
    assert all(torch.equal(p, q) for p, q in zip(made.network.parameters(), before, strict=True))
    for _ in range(2):  # whatever it was before
        torch.manual_seed(9)
        made.consolidate(0)
        torch.manual_seed(9)
        expected = trained(made.buffer.x, made.buffer.y, 4, (0.2, 0.01), clip)
        for found, value in zip(made.network.parameters(), expected, strict=True):
            torch.testing.assert_close(found.detach(), value, rtol=1e-11, atol=1e-13)
    assert all(p.grad is None for p in made.network.parameters())


def test_what_is_frozen_stays_and_statistics_begin_anew() -> None:
    net = nn.Sequential(nn.Linear(2, 5), nn.BatchNorm1d(5), nn.Linear(5, 6))
    net[0].requires_grad_(False)
    frozen = net[0].weight.detach().clone()
    made = tlml.learner("gdumb", network=net, memory_size=7, epochs_on_memory=1)
    made.view(Letters(), ways=2)
    made.update(example_steps(7))
    for _ in range(2):
        torch.manual_seed(2)
        made.consolidate(0)
        assert torch.equal(net[0].weight, frozen)
        assert int(net[1].num_batches_tracked) == 1


def test_what_cannot_be_is_refused() -> None:
    with fails("lr_min: 0.2 is above lr (0.1), and rates fall; lower it"):
        learner(lr=0.1, lr_min=0.2)
    with fails("glances: gdumb takes no steps that it could be of; leave it out"):
        learner(glances=2)
    with fails(
        "gdumb: it keeps something of each class, and the targets are values "
        "(Box(-inf, inf, (1,), float32)); take er, or a domain with classes"
    ):
        tlml.learner("gdumb", network="mlp").view(Tables())
