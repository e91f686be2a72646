"""Networks as people write them, and their meta-gradients."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import tlml
from tlml import Batch, Episode, GradientLearner


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(2, 6), nn.Linear(6, 6), nn.Linear(6, 1, bias=False)
        self.norm = nn.LayerNorm(6)
        self.scale = nn.Parameter(torch.linspace(0.5, 1.5, 6))
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.c(torch.tanh(self.b(F.relu(self.a(x)))))
        return found


def made(kind: type[nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return kind().double()


def learner_of(net: nn.Module, **options: Any) -> GradientLearner:
    strategy = tlml.strategy("sgd", lr=0.1, steps=2)
    learner = tlml.learner("maml", network=copy.deepcopy(net), strategy=strategy, **options)
    assert isinstance(learner, GradientLearner)
    return learner


def waves() -> Episode:
    rng = torch.Generator().manual_seed(0)
    sides = [torch.randn(3, 5, 2, generator=rng, dtype=torch.float64) for _ in range(2)]
    return Episode(*(Batch(x, (x * x).sum(-1, keepdim=True)) for x in sides))


def slopes(learner: GradientLearner) -> dict[str, Tensor]:
    learner.meta_loss(waves()).backward()  # type: ignore[no-untyped-call]
    return {n: p.grad for n, p in learner.named_parameters() if p.grad is not None}
