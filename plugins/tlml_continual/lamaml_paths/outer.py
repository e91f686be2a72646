"""The meta-losses of a perceptron at θ_1 to θ_k as one batch, and their slopes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
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
        first, moved, before = 1, None, trace.before[1:]
    else:
        first = trace.steps
        moved, before = _at_the_end(trace, layers, x)
    weights = [torch.from_numpy(weight[first:]) for weight in trace.weights]
    given = [torch.from_numpy(room) for room in trace.meta_given]
    for weight, room, hidden in zip(weights, trace.meta_given, given, strict=True):
        (np.tanh if trace.tanh else _relu)(before, out=room[..., :-1])
        before = torch.bmm(hidden, weight.transpose(1, 2)).numpy()
    value, slopes = loss.of_rows(before)
    by_weights: list[Array] = []
    for weight, room, hidden in zip(
        reversed(weights), reversed(trace.meta_given), reversed(given), strict=True
    ):
        above, below = torch.from_numpy(slopes), room[..., :-1]
        by_weights.insert(0, torch.bmm(above.transpose(1, 2), hidden).numpy())
        slopes = torch.bmm(above, weight[..., :-1]).numpy()
        slopes *= 1 - below * below if trace.tanh else np.sign(below)
    return Outer(x.new_tensor(value), by_weights, slopes, moved)


def _relu(before: Array, out: Array) -> None:
    np.maximum(before, 0, out=out)


def _at_the_end(trace: Trace, layers: Layers, x: Tensor) -> tuple[Tensor, Array]:
    """Return what moves the first layer's weights, and pre-activations at θ_k ``[1, n, out]``."""
    slopes, replayed = -trace.first_slopes, len(x) - trace.steps
    moved = torch.from_numpy(slopes).T @ x[replayed:]
    weight = torch.addcmul(layers.weights[0], layers.rates[0], moved)
    bias = layers.biases[0].numpy() + layers.bias_rates[0].numpy() * np.add.reduce(slopes, 0)
    before = np.empty((1, len(x), len(bias)), bias.dtype)
    np.add((x[:replayed] @ weight.T).numpy(), bias, out=before[0, :replayed])
    before[0, replayed:] = trace.before[-1]
    return moved, before
