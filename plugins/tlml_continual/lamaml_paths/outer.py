"""The meta-losses of a perceptron at θ_1 to θ_k as one batch, and their slopes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tlml_continual.lamaml_paths.contract import Recipe
from tlml_continual.lamaml_paths.example import Trace
from tlml_continual.lamaml_paths.losses import Array, ByHand


class Layers(NamedTuple):
    """Weights and biases by layer, and by what they are stepped."""

    weights: list[Tensor]
    biases: list[Tensor]
    rates: list[Tensor]
    bias_rates: list[Tensor]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of all layers, the inputs' first."""
        return (self.weights[0].shape[1], *(len(weight) for weight in self.weights))


class Outer(NamedTuple):
    """The meta-loss, and slopes of m losses, of which it is the mean: one, or one for each step.

    Args:
        loss: The meta-loss.
        weights: By the weights of layers from 1 on, biases last ``[m, out, in + 1]``.
        rows: By the pre-activations of layer 0 ``[m, n, out]``.
        moved: −Σ δ_i ⊗ x_i of layer 0 ``[out, d]``, where the loss is at θ_k alone.
    """

    loss: Tensor
    weights: list[Array]
    rows: Array
    moved: Tensor | None


def outer_slopes(trace: Trace, layers: Layers, recipe: Recipe, loss: ByHand, x: Tensor) -> Outer:
    """Return the meta-loss of rows ``x [n, d]`` and its slopes.

    Args:
        trace: The steps that were taken.
        layers: Where they began.
        recipe: Whether there is a loss after each.
        loss: Of these rows.
        x: The meta-batch.
    """
    if recipe.loss_at == "mean":
        first, moved, before = 1, None, torch.from_numpy(trace.before[1:])
    else:
        first = trace.steps
        moved, before = _at_the_end(trace, layers, x)
    weights = [torch.from_numpy(weight[first:]) for weight in trace.weights]
    hidden = []
    for weight in weights:
        hidden.append(_activated(before, trace.tanh))
        before = torch.bmm(hidden[-1], weight.transpose(1, 2))
    value, slopes = loss.of_rows(before)
    slopes /= len(slopes)
    by_weights: list[Array] = []
    for weight, given in zip(reversed(weights), reversed(hidden), strict=True):
        by_weights.insert(0, torch.bmm(slopes.transpose(1, 2), given).numpy())
        below = given[..., :-1]
        slopes = torch.bmm(slopes, weight)[..., :-1]
        slopes *= 1 - below * below if trace.tanh else below.sign()
    return Outer(value, by_weights, slopes.contiguous().numpy(), moved)


def _activated(before: Tensor, tanh: bool) -> Tensor:
    """Return what a layer gives ``[m, n, out + 1]``, ones behind it."""
    found = before.new_empty(*before.shape[:2], before.shape[2] + 1)
    found[..., -1] = 1
    if tanh:
        torch.tanh(before, out=found[..., :-1])
    else:
        torch.clamp_min(before, 0, out=found[..., :-1])
    return found


def _at_the_end(trace: Trace, layers: Layers, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return what moves the first layer's weights, and pre-activations at θ_k ``[1, n, out]``."""
    slopes = torch.from_numpy(-trace.first_slopes)
    moved = slopes.T @ x[len(x) - trace.steps :]
    weight = torch.addcmul(layers.weights[0], layers.rates[0], moved)
    bias = torch.addcmul(layers.biases[0], layers.bias_rates[0], slopes.sum(0))
    own = torch.from_numpy(trace.before[-1])
    replayed = torch.addmm(bias, x[: len(x) - trace.steps], weight.T)
    return moved, torch.cat([replayed, own]).unsqueeze(0)
