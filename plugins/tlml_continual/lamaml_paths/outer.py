"""The meta-losses of a perceptron at θ_1 to θ_k as one batch, and their slopes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tlml_continual.lamaml_paths.contract import Recipe
from tlml_continual.lamaml_paths.example import Trace
from tlml_continual.lamaml_paths.losses import Array, ByHand

_SMALL = 2**18  # multiplications, up to which OpenBLAS takes one thread


class Layers(NamedTuple):
    """Weights and biases by layer, their α, and by what the first layer's are stepped."""

    weights: list[Tensor]
    biases: list[Tensor]
    alpha: list[Tensor]
    bias_alpha: list[Tensor]
    rate: Tensor
    bias_rate: Tensor

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
    weights = [weight[first:] for weight in trace.weights]
    for weight, given in zip(weights, trace.meta_given, strict=True):
        (np.tanh if trace.tanh else _relu)(before, out=given[..., :-1])
        before = _turned(_products(weight, _turned(given)))
    value, slopes = loss.of_rows(before)
    by_weights: list[Array] = []
    for weight, given in zip(reversed(weights), reversed(trace.meta_given), strict=True):
        by_weights.insert(0, _products(_turned(slopes), given))
        slopes, below = _products(slopes, weight)[..., :-1], given[..., :-1]
        slopes *= 1 - below * below if trace.tanh else np.sign(below)
    return Outer(torch.from_numpy(np.array(value, slopes.dtype)), by_weights, slopes, moved)


def _relu(before: Array, out: Array) -> None:
    np.maximum(before, 0, out=out)


def _turned(matrices: Array) -> Array:
    return matrices.transpose(0, 2, 1)


def _products(left: Array, right: Array) -> Array:
    """Return products of m matrices.

    NumPy's are quicker where they are small. It would share larger ones among threads of its own,
    whatever torch was told.
    """
    if left.shape[1] * left.shape[2] * right.shape[2] <= _SMALL:
        found: Array = np.matmul(left, right)
        return found
    return torch.bmm(torch.from_numpy(left), torch.from_numpy(right)).numpy()


def _at_the_end(trace: Trace, layers: Layers, x: Tensor) -> tuple[Tensor, Array]:
    """Return what moves the first layer's weights, and pre-activations at θ_k ``[1, n, out]``."""
    slopes, replayed = -trace.first_slopes, len(x) - trace.steps
    moved = torch.from_numpy(slopes).T @ x[replayed:]
    weight = torch.addcmul(layers.weights[0], layers.rate, moved)
    bias = layers.biases[0].numpy() + layers.bias_rate.numpy() * np.add.reduce(slopes, 0)
    before = np.empty((1, len(x), len(bias)), bias.dtype)
    np.add((x[:replayed] @ weight.T).numpy(), bias, out=before[0, :replayed])
    before[0, replayed:] = trace.before[-1]
    return moved, before
