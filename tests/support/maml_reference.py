"""MAML's meta-gradient by clones and `autograd.grad`, in float64, and networks to try it on."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

import tlml
from tlml import Batch, Episode

TASKS, RATE = 3, 0.1


Values = dict[str, Tensor]


def mlp(norm: nn.Module | None = None) -> nn.Module:
    middle = [norm] if norm is not None else []
    return nn.Sequential(nn.Linear(2, 6), *middle, nn.Tanh(), nn.Linear(6, 1))


def convnet(norm: Callable[[], nn.Module]) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), norm(), nn.Tanh(), nn.AvgPool2d(2),
        nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.Softplus(),
        nn.Flatten(), nn.Linear(4 * 9, 3),
    )  # fmt: skip


def small(*middle: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), *middle, nn.Tanh(), nn.Flatten(), nn.Linear(32, 3))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "mlp": mlp,
    "mlp_batchnorm": lambda: mlp(nn.BatchNorm1d(6)),
    "mlp_layernorm": lambda: mlp(nn.LayerNorm(6)),
    "batchnorm": lambda: convnet(lambda: nn.BatchNorm2d(4)),
    "layernorm": lambda: convnet(lambda: nn.LayerNorm([4, 6, 6])),
    "groupnorm": lambda: convnet(lambda: nn.GroupNorm(2, 4)),
    "instancenorm": lambda: convnet(
        lambda: nn.InstanceNorm2d(4, affine=True, track_running_stats=True)
    ),
}


# What a compiler takes less time for: every norm is there, in small and few networks.
SMALL: dict[str, Callable[[], nn.Module]] = {
    "mlp_norms": lambda: nn.Sequential(
        nn.Linear(2, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.LayerNorm(6), nn.Linear(6, 1)
    ),
    "small_batchnorm": lambda: small(nn.BatchNorm2d(2)),
    "small_norms": lambda: small(
        nn.BatchNorm2d(2), nn.Softplus(), nn.GroupNorm(2, 2), nn.Tanh(),
        nn.InstanceNorm2d(2, affine=True),
    ),
}  # fmt: skip


def network(kind: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        made = (NETWORKS | SMALL)[kind]().double()
        for name, parameter in made.named_parameters():
            if name.endswith("bias"):  # zeros would hide mistakes
                nn.init.normal_(parameter, std=0.3)
    return made


def episode(kind: str) -> Episode:
    """Return float32 tasks: values for the perceptrons, three classes for the convnets."""
    rng = torch.Generator().manual_seed(5)

    def batch(n: int) -> Batch:
        if kind.startswith("mlp"):
            x = torch.randn(TASKS, n, 2, generator=rng)
            slopes = torch.randn(TASKS, 2, 1, generator=rng)
            return Batch(x, x @ slopes)
        x = torch.randn(TASKS, n, 1, 6, 6, generator=rng)
        return Batch(x, torch.randint(3, (TASKS, n), generator=rng))

    return Episode(batch(6), batch(7))


def learner_of(
    kind: str, steps: int, first_order: bool, vectorize: str, **options: Any
) -> tlml.GradientLearner:
    learner = tlml.learner(
        "maml", network=network(kind), strategy=tlml.strategy("sgd", lr=RATE, steps=steps),
        first_order=first_order, vectorize=vectorize, **options,
    )  # fmt: skip
    assert isinstance(learner, tlml.GradientLearner)
    return learner


def loss_of(net: nn.Module, params: Values, batch: Batch, task: int) -> Tensor:
    """Return the loss of one task by the batch's statistics; what is stored goes into copies."""
    buffers = {name: value.clone() for name, value in net.named_buffers()}
    scores = functional_call(net, {**buffers, **params}, (batch.x[task].double(),))
    y = batch.y[task]
    return F.mse_loss(scores, y.double()) if y.is_floating_point() else F.cross_entropy(scores, y)


def slow_adapted(
    net: nn.Module, params: Values, support: Batch, task: int, steps: int, graph: bool
) -> Values:
    for _ in range(steps):
        loss = loss_of(net, params, support, task)
        slopes = torch.autograd.grad(loss, list(params.values()), create_graph=graph)
        pairs = zip(params.items(), slopes, strict=True)
        params = {name: value - RATE * slope for (name, value), slope in pairs}
    return params


def outer_loss(net: nn.Module, params: Values, data: Episode, steps: int) -> Tensor:
    losses = []
    for task in range(TASKS):
        adapted = slow_adapted(net, params, data.support, task, steps, graph=True)
        losses.append(loss_of(net, adapted, data.query, task))
    return torch.stack(losses).mean()


@cache
def reference(kind: str, steps: int, first_order: bool) -> tuple[Tensor, Values]:
    """Return the meta-loss and its gradient: exact, or first order by its definition."""
    net, data = network(kind), episode(kind)
    params = {name: p.detach().requires_grad_() for name, p in net.named_parameters()}
    if not first_order:
        loss = outer_loss(net, params, data, steps)
        slopes = torch.autograd.grad(loss, list(params.values()))
        return loss.detach(), dict(zip(params, slopes, strict=True))
    total = {name: torch.zeros_like(p) for name, p in params.items()}
    losses = []
    for task in range(TASKS):
        adapted = slow_adapted(net, params, data.support, task, steps, graph=False)
        there = {name: value.detach().requires_grad_() for name, value in adapted.items()}
        loss = loss_of(net, there, data.query, task)
        for name, slope in zip(there, torch.autograd.grad(loss, list(there.values())), strict=True):
            total[name] += slope / TASKS
        losses.append(loss.detach())
    return torch.stack(losses).mean(), total


def gradient_of(learner: tlml.GradientLearner, data: Episode) -> tuple[Tensor, Values]:
    loss = learner.meta_loss(data)
    loss.backward()
    named = learner.built().named_parameters()
    return loss.detach(), {name: p.grad for name, p in named if p.grad is not None}
