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
        weights: By the weights of layers from 1 on ``[m, out, in]``.
        biases: By their biases ``[m, out]``.
        rows: By the pre-activations of layer 0 ``[m, n, out]``.
        moved: Σ δ_i ⊗ x_i of layer 0 ``[out, d]``, where the loss is at θ_k alone.
    """

    loss: Tensor
    weights: list[Array]
    biases: list[Array]
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
        first, moved, given = 1, None, torch.from_numpy(trace.before[1:])
    else:
        first = trace.steps
        moved, given = _at_the_end(trace, layers, x)
    weights = [torch.from_numpy(w[first:]) for w in trace.weights[1:]]
    biases = [torch.from_numpy(b[first:]).unsqueeze(1) for b in trace.biases[1:]]
    hidden = []
    for weight, bias in zip(weights, biases, strict=True):
        hidden.append(given.tanh() if trace.tanh else given.relu())
        given = torch.baddbmm(bias, hidden[-1], weight.transpose(1, 2))
    value, slopes = loss.of_rows(given)
    slopes /= len(slopes)
    by_weights: list[Array] = []
    by_biases: list[Array] = []
    for weight, given in zip(reversed(weights), reversed(hidden), strict=True):
        by_weights.insert(0, torch.bmm(slopes.transpose(1, 2), given).numpy())
        by_biases.insert(0, slopes.sum(1).numpy())
        slopes = torch.bmm(slopes, weight)
        slopes *= 1 - given * given if trace.tanh else given.sign()
    return Outer(value, by_weights, by_biases, slopes.numpy(), moved)


def _at_the_end(trace: Trace, layers: Layers, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return what moved the first layer's weights, and pre-activations at θ_k ``[1, n, out]``."""
    slopes = torch.from_numpy(trace.slopes[0])
    moved = slopes.T @ x[len(x) - trace.steps :]
    weight = torch.addcmul(layers.weights[0], layers.rates[0], moved, value=-1)
    bias = layers.biases[0] - layers.bias_rates[0] * slopes.sum(0)
    own = torch.from_numpy(trace.before[-1])
    replayed = torch.addmm(bias, x[: len(x) - trace.steps], weight.T)
    return moved, torch.cat([replayed, own]).unsqueeze(0)
