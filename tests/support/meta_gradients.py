"""Small perceptrons in float64 on tasks of values, and their meta-gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import tlml
from tlml import Batch, Episode, Episodes, GradientLearner


def learner_of(net: nn.Module, strategy: Any = None, **options: Any) -> GradientLearner:
    strategy = strategy or tlml.strategy("sgd", lr=0.1, steps=2)
    made = tlml.learner("maml", network=net.double(), strategy=strategy, **options)
    assert isinstance(made, GradientLearner)
    return made


def perceptron(*layers: nn.Module) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return nn.Sequential(nn.Linear(2, 6), *layers, nn.Tanh(), nn.Linear(6, 1))


def waves(tasks: int = 3, n: int = 5, seed: int = 0) -> Episode:
    rng = torch.Generator().manual_seed(seed)
    sides = [torch.randn(tasks, n, 2, generator=rng, dtype=torch.float64) for _ in range(2)]
    return Episode(*(Batch(x, (x * x).sum(-1, keepdim=True)) for x in sides))


def slopes(learner: GradientLearner, batch: Episode | Episodes) -> dict[str, Tensor]:
    learner.zero_grad()
    learner.meta_loss(batch).backward()  # type: ignore[no-untyped-call]
    return {n: p.grad.clone() for n, p in learner.named_parameters() if p.grad is not None}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=1e-10, atol=1e-12)
