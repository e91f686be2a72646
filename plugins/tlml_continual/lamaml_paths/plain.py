"""A glance by autograd, as the paper writes it: what all other paths are held against."""

from __future__ import annotations

import torch
from torch import Tensor

from tlml_continual.lamaml_paths.contract import Glance, Objective, Recipe, Slopes


class PlainPath:
    """Any network; the graph goes through all inner steps and all replay."""

    name = "plain"

    def slopes(self, objective: Objective, recipe: Recipe, glance: Glance) -> Slopes:
        """Return the meta-loss and its gradients."""
        names = list(glance.theta)
        theta = [glance.theta[name].detach().requires_grad_() for name in names]
        alpha = [glance.alpha[name].detach().requires_grad_() for name in names]
        rates = [recipe.rate(rate) for rate in alpha]
        own, meta = list(recipe.steps(glance.own)), glance.meta
        at, losses = theta, []
        for number, rows in enumerate(own, 1):
            inner = objective.loss(dict(zip(names, at, strict=True)), rows)
            slopes = _gradient(inner, at, graph=recipe.order == "second")
            ways = [recipe.way(slope) for slope in slopes]
            at = [p - rate * way for p, rate, way in zip(at, rates, ways, strict=True)]
            if recipe.loss_at == "mean" or number == len(own):
                losses.append(objective.loss(dict(zip(names, at, strict=True)), meta))
        loss = torch.stack(losses).mean()
        found = _gradient(loss, [*theta, *alpha] if recipe.learns_alpha else theta)
        by_theta, by_alpha = found[: len(names)], found[len(names) :]
        return Slopes(
            loss.detach(),
            dict(zip(names, by_theta, strict=True)),
            dict(zip(names, by_alpha, strict=True)) if recipe.learns_alpha else {},
        )


def _gradient(loss: Tensor, at: list[Tensor], *, graph: bool = False) -> list[Tensor]:
    return list(torch.autograd.grad(loss, at, create_graph=graph, materialize_grads=True))
