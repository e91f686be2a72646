"""A glance without a graph through its steps: backwards with products of Hessians and vectors.

With g_i the gradient of the i-th inner loss, H_i its Hessian, a the rates and G_i the gradient of
the meta-loss at θ_i (weighed by 1/k where the loss is the mean), v = ∂L/∂θ_i is found backwards:

    v ← v + G_i,   ∂L/∂α −= g_i ∘ v,   v ← v − H_i (a ∘ v)   (second order alone)

That is what autograd does, but nothing of the replay is kept, and no graph of the updates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from tlml_continual.lamaml_paths.contract import Glance, Objective, Recipe, Rows, Slopes
from tlml_continual.lamaml_paths.unfolded import UnfoldedConvolutions


class Inner(Protocol):
    """An inner loss at some parameters."""

    @property
    def slopes(self) -> list[Tensor]:
        """Its gradient, which the caller does not change."""

    def turned(self, along: list[Tensor]) -> list[Tensor]:
        """Return the product of its Hessian and a vector."""


class AdjointPath:
    """Any network that can be differentiated twice, or once in first order."""

    name = "adjoint"

    def slopes(self, objective: Objective, recipe: Recipe, glance: Glance) -> Slopes:
        """Return the meta-loss and its gradients."""
        names, second = list(glance.theta), recipe.order == "second"

        def take(at: list[Tensor], rows: Rows, _: int) -> Inner:
            return _Differentiated.at(objective, names, at, rows, second)

        return adjoint_slopes(objective, recipe, glance, take)


def adjoint_slopes(
    objective: Objective,
    recipe: Recipe,
    glance: Glance,
    take: Callable[[list[Tensor], Rows, int], Inner],
) -> Slopes:
    """Return the meta-loss and its gradients.

    Args:
        objective: The network and its loss.
        recipe: The algorithm's options.
        glance: What is looked at.
        take: Returns the inner loss of some rows at some parameters, given the number of the step.
    """
    names, meta = list(glance.theta), glance.meta
    rates = [recipe.rate(glance.alpha[name].detach()) for name in names]
    at = [glance.theta[name].detach() for name in names]
    own, steps, outer, losses = list(recipe.steps(glance.own)), [], [], []
    for number, rows in enumerate(own):
        step = take(at, rows, number)
        ways = [recipe.way(slope) for slope in step.slopes]
        moves = zip(at, rates, ways, strict=True)
        at = [torch.addcmul(p, rate, way, value=-1) for p, rate, way in moves]
        steps.append(step)
        if recipe.loss_at == "mean" or number + 1 == len(own):
            loss, slopes = _slopes(objective, names, at, meta)
            losses.append(loss)
            outer.append(slopes)
        else:
            outer.append([])
    by_theta, by_alpha = _backwards(recipe, rates, steps, outer, 1 / len(losses))
    if recipe.inner_relu:
        for slope, rate in zip(by_alpha, rates, strict=False):
            slope.mul_(rate.sign())  # rates are not negative
    return Slopes(
        torch.stack(losses).mean(),
        dict(zip(names, by_theta, strict=True)),
        dict(zip(names, by_alpha, strict=False)),
    )


class _Differentiated(NamedTuple):
    """An inner loss by autograd: where it is taken; its gradient with a graph (second order)."""

    leaves: list[Tensor]
    linked: list[Tensor]
    slopes: list[Tensor]

    @classmethod
    def at(
        cls, objective: Objective, names: list[str], at: list[Tensor], rows: Rows, second: bool
    ) -> _Differentiated:
        leaves = [value.detach().requires_grad_() for value in at]
        with UnfoldedConvolutions():
            loss = objective.loss(dict(zip(names, leaves, strict=True)), rows)
        found = torch.autograd.grad(loss, leaves, create_graph=second, materialize_grads=True)
        return cls(leaves, list(found) if second else [], [slope.detach() for slope in found])

    def turned(self, along: list[Tensor]) -> list[Tensor]:
        linked = [i for i, slope in enumerate(self.linked) if slope.requires_grad]
        if not linked:  # gradients that don't depend on the parameters, as of a linear loss
            return [torch.zeros_like(each) for each in along]
        found = torch.autograd.grad(
            [self.linked[i] for i in linked], self.leaves, [along[i] for i in linked],
            materialize_grads=True,
        )  # fmt: skip
        return list(found)


def _slopes(
    objective: Objective, names: list[str], at: list[Tensor], rows: Rows
) -> tuple[Tensor, list[Tensor]]:
    leaves = [value.detach().requires_grad_() for value in at]
    loss = objective.loss(dict(zip(names, leaves, strict=True)), rows)
    found = torch.autograd.grad(loss, leaves, materialize_grads=True)
    return loss.detach(), list(found)


def _backwards(
    recipe: Recipe,
    rates: list[Tensor],
    steps: list[Inner],
    outer: list[list[Tensor]],
    weight: float,
) -> tuple[list[Tensor], list[Tensor]]:
    """Return ∂L/∂θ and ∂L/∂α, the latter by the rates that were stepped by."""
    v = [torch.zeros_like(rate) for rate in rates]
    by_alpha = [torch.zeros_like(rate) for rate in rates] if recipe.learns_alpha else []
    for step, slopes in zip(reversed(steps), reversed(outer), strict=True):
        for each, slope in zip(v, slopes, strict=False):
            each.add_(slope, alpha=weight)
        for total, slope, each in zip(by_alpha, step.slopes, v, strict=False):
            total.addcmul_(recipe.way(slope), each, value=-1)
        if recipe.order == "second":
            for each, turn in zip(v, _turned(recipe, rates, step, v), strict=True):
                each.sub_(turn)
    return v, by_alpha


def _turned(recipe: Recipe, rates: list[Tensor], step: Inner, v: list[Tensor]) -> list[Tensor]:
    """Return H (a ∘ v); a clamped entry of the gradient is constant."""
    along = [rate * each for rate, each in zip(rates, v, strict=True)]
    if recipe.inner_clip is not None:
        inside = [slope.abs() <= recipe.inner_clip for slope in step.slopes]
        along = [each * here for each, here in zip(along, inside, strict=True)]
    return step.turned(along)
