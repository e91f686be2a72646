"""A glance without a graph through its steps: backwards with products of Hessians and vectors.

With g_i the gradient of the i-th inner loss, H_i its Hessian, a the rates and G_i the gradient of
the meta-loss at θ_i (weighed by 1/k where the loss is the mean), v = ∂L/∂θ_i is found backwards:

    v ← v + G_i,   ∂L/∂α −= g_i ∘ v,   v ← v − H_i (a ∘ v)   (second order alone)

That is what autograd does, but nothing of the replay is kept, and no graph of the updates.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tlml_continual.lamaml_paths.contract import Glance, Objective, Recipe, Rows, Slopes
from tlml_continual.lamaml_paths.unfolded import UnfoldedConvolutions


class AdjointPath:
    """Any network that can be differentiated twice, or once in first order."""

    name = "adjoint"

    def slopes(self, objective: Objective, recipe: Recipe, glance: Glance) -> Slopes:
        """Return the meta-loss and its gradients."""
        names, meta = list(glance.theta), glance.meta
        rates = [recipe.rate(glance.alpha[name].detach()) for name in names]
        at = [glance.theta[name].detach() for name in names]
        own, steps, outer, losses = list(recipe.steps(glance.own)), [], [], []
        for number, rows in enumerate(own, 1):
            step = _inner_step(objective, recipe, names, at, rows)
            moves = zip(at, rates, step.ways, strict=True)
            at = [torch.addcmul(p, rate, way, value=-1) for p, rate, way in moves]
            steps.append(step)
            if recipe.loss_at == "mean" or number == len(own):
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


class _Step(NamedTuple):
    """An inner step: where it began, its gradient with a graph (second order), and its way."""

    at: list[Tensor]
    slopes: list[Tensor]
    ways: list[Tensor]


def _inner_step(
    objective: Objective, recipe: Recipe, names: list[str], at: list[Tensor], rows: Rows
) -> _Step:
    second = recipe.order == "second"
    leaves = [value.detach().requires_grad_() for value in at]
    with UnfoldedConvolutions():
        loss = objective.loss(dict(zip(names, leaves, strict=True)), rows)
    found = torch.autograd.grad(loss, leaves, create_graph=second, materialize_grads=True)
    ways = [recipe.way(slope.detach()) for slope in found]
    return _Step(leaves, list(found) if second else [], ways)


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
    steps: list[_Step],
    outer: list[list[Tensor]],
    weight: float,
) -> tuple[list[Tensor], list[Tensor]]:
    """Return ∂L/∂θ and ∂L/∂α, the latter by the rates that were stepped by."""
    v = [torch.zeros_like(rate) for rate in rates]
    by_alpha = [torch.zeros_like(rate) for rate in rates] if recipe.learns_alpha else []
    for step, slopes in zip(reversed(steps), reversed(outer), strict=True):
        for each, slope in zip(v, slopes, strict=False):
            each.add_(slope, alpha=weight)
        for total, way, each in zip(by_alpha, step.ways, v, strict=False):
            total.addcmul_(way, each, value=-1)
        if recipe.order == "second":
            for each, turn in zip(v, _turned(recipe, rates, step, v), strict=True):
                each.sub_(turn)
    return v, by_alpha


def _turned(recipe: Recipe, rates: list[Tensor], step: _Step, v: list[Tensor]) -> list[Tensor]:
    """Return H (a ∘ v); a clamped entry of the gradient is constant."""
    along = [rate * each for rate, each in zip(rates, v, strict=True)]
    if recipe.inner_clip is not None:
        inside = [slope.detach().abs() <= recipe.inner_clip for slope in step.slopes]
        along = [each * here for each, here in zip(along, inside, strict=True)]
    linked = [i for i, slope in enumerate(step.slopes) if slope.requires_grad]
    if not linked:  # gradients that don't depend on the parameters, as of a linear loss
        return [torch.zeros_like(each) for each in v]
    found = torch.autograd.grad(
        [step.slopes[i] for i in linked], step.at, [along[i] for i in linked],
        materialize_grads=True,
    )  # fmt: skip
    return list(found)
