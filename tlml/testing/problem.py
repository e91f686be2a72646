"""A problem so small that its gradients can be compared with finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tlml.data.tasks import Batch, Episode
from tlml.learners.gradient_learner import GradientLearner
from tlml.networks.build import seeded_draws
from tlml.networks.network import Network
from tlml.strategies.strategy import Strategy

INPUTS, OUTPUTS, TASKS = 3, 2, 3
_STEP = 1e-6  # of the finite differences, in float64
NetworkOf = Callable[[], nn.Module]


def tiny_network() -> nn.Module:
    """Return a smooth network with BatchNorm: three inputs, four features, two outputs."""
    with seeded_draws(0):
        block = nn.Sequential(nn.Linear(INPUTS, 4), nn.BatchNorm1d(4), nn.Tanh())
        return Network({"hidden": block}, nn.Linear(4, OUTPUTS))


def tiny_learner(
    strategy: Strategy, network: NetworkOf = tiny_network, **options: Any
) -> GradientLearner:
    """Return a learner in float64 whose network and strategy are there."""
    return GradientLearner(network(), strategy, **options).double()


def tiny_episode(classes: bool = False) -> Episode:
    """Return three tasks in float64: ``x [3, 6, 3]``, ``y [3, 6, 2]``, classes ``[3, 6]``."""
    generator = torch.Generator().manual_seed(0)

    def batch() -> Batch:
        x = torch.randn(TASKS, 6, INPUTS, generator=generator, dtype=torch.float64)
        if classes:
            return Batch(x, torch.arange(6).remainder(OUTPUTS).expand(TASKS, 6))
        turn = torch.randn(TASKS, INPUTS, OUTPUTS, generator=generator, dtype=torch.float64)
        return Batch(x, x @ turn)

    return Episode(batch(), batch())


def tiny_triples() -> Episode:
    """Return links of a ring of six entities as one task: ``x [1, 6, 3]``, ``y [1, 6]``."""
    places = torch.arange(6)
    near = torch.stack([places, places % 2, torch.zeros_like(places)], 1)
    far = torch.stack([(places + 1) % 6, places % 2, torch.ones_like(places)], 1)
    return Episode(Batch(near[None], ((places + 1) % 6)[None]), Batch(far[None], places[None]))


def slopes(
    loss: Callable[[], Tensor], parameters: dict[str, nn.Parameter]
) -> dict[str, tuple[float, float]]:
    """Return the slope of `loss` along one direction in each parameter, in two ways.

    Returns:
        By name of the parameter, the slope by automatic and by finite differences.
    """
    grads: tuple[Tensor | None, ...] = torch.autograd.grad(
        loss(), list(parameters.values()), allow_unused=True
    )
    generator = torch.Generator().manual_seed(1)
    found = {}
    for (name, parameter), grad in zip(parameters.items(), grads, strict=True):
        way = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        exact = 0.0 if grad is None else float((grad * way).sum())
        found[name] = exact, _difference(loss, parameter, way)
    return found


def _difference(loss: Callable[[], Tensor], parameter: nn.Parameter, way: Tensor) -> float:
    kept = parameter.detach().clone()
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            parameter.copy_(kept + sign * _STEP * way)
        values.append(float(loss().detach()))
    with torch.no_grad():
        parameter.copy_(kept)
    return (values[0] - values[1]) / (2 * _STEP)
