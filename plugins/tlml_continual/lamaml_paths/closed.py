"""A glance of a perceptron by hand: exact, and several times as fast as autograd.

Single examples are stepped down in `example.Trace`; the meta-losses of all θ_i are one batch, in
`outer`; `back` goes back from θ_k to θ_0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from tlml_continual.lamaml_paths.back import Way
from tlml_continual.lamaml_paths.contract import Glance, Objective, Recipe, Slopes
from tlml_continual.lamaml_paths.example import Trace
from tlml_continual.lamaml_paths.layers import Perceptron
from tlml_continual.lamaml_paths.losses import Array, by_hand, shut
from tlml_continual.lamaml_paths.outer import Layers, outer_slopes
from tlml_continual.lamaml_paths.pairs import Pairs


class ClosedPath:
    """Perceptrons on a CPU, one example a step.

    Args:
        perceptron: The layers.
    """

    name = "closed"

    def __init__(self, perceptron: Perceptron) -> None:
        self.perceptron = perceptron
        self._rooms: dict[Any, tuple[Trace, Pairs]] = {}

    def __reduce__(self) -> tuple[type[ClosedPath], tuple[Perceptron]]:
        return ClosedPath, (self.perceptron,)  # copies make room of their own

    def slopes(self, objective: Objective, recipe: Recipe, glance: Glance) -> Slopes:
        """Return the meta-loss and its gradients."""
        layers, meta = _layers(self.perceptron, recipe, glance), glance.meta
        x = meta.x.reshape(len(meta.x), -1).to(layers.weights[0].dtype)
        loss = by_hand(meta.y, shut(objective, meta, layers.sizes[-1]), x)
        trace, pairs = self._room(layers, recipe, len(glance.own.x), x)
        with np.errstate(all="ignore"):  # what diverges is told by the loss, as on other paths
            _fill(trace, pairs, layers, recipe, x)
            trace.step_down(loss, len(x) - trace.steps)
            outer = outer_slopes(trace, layers, recipe, loss, x)
            way = Way(trace, layers, recipe, loss, outer, x)
            way.go()
        theta = way.by_theta()
        alpha = way.by_alpha(pairs, theta) if recipe.learns_alpha else []
        names = [*self.perceptron.weights, *self.perceptron.biases]
        return Slopes(
            outer.loss, dict(zip(names, theta, strict=True)), dict(zip(names, alpha, strict=False))
        )

    def _room(self, layers: Layers, recipe: Recipe, own: int, x: Tensor) -> tuple[Trace, Pairs]:
        """Return room for a glance of this shape; it is made once, as pages of memory cost time."""
        mean = recipe.loss_at == "mean"
        replayed, metas = (len(x) - own, own) if mean else (0, 1)
        keeps = mean or recipe.order == "second"
        key = (own, len(x), x.dtype, layers.sizes, keeps, metas)
        if key not in self._rooms:
            tanh, dtype = self.perceptron.activation == "tanh", x[:0].numpy().dtype
            made = Trace.empty(
                tanh, layers.sizes, own, replayed + own, (metas, len(x)), dtype, keeps
            )
            self._rooms[key] = made, Pairs(own, replayed, layers.sizes[1], x)
        return self._rooms[key]


def _layers(perceptron: Perceptron, recipe: Recipe, glance: Glance) -> Layers:
    weights, biases, alpha, bias_alpha = (
        [held[name].detach() for name in names]
        for held in (glance.theta, glance.alpha)
        for names in (perceptron.weights, perceptron.biases)
    )
    rate, bias_rate = recipe.rate(alpha[0]), recipe.rate(bias_alpha[0])
    return Layers(weights, biases, alpha, bias_alpha, rate, bias_rate)


def _fill(trace: Trace, pairs: Pairs, layers: Layers, recipe: Recipe, x: Tensor) -> None:
    """Write down what the inner steps begin with."""
    seen = x[len(x) - trace.rows :]
    before = torch.from_numpy(trace.before[0])
    torch.addmm(layers.biases[0], seen, layers.weights[0].T, out=before)
    pairs.fill(seen)
    pairs.moved(layers.rate, layers.bias_rate, trace.pairs)
    for layer, (weights, rates) in enumerate(zip(trace.weights, trace.rates, strict=True), 1):
        _join(layers.weights[layer], layers.biases[layer], weights[0])
        _join(layers.alpha[layer], layers.bias_alpha[layer], rates)
        if recipe.inner_relu:
            np.maximum(rates, 0, out=rates)


def _join(weight: Tensor, bias: Tensor, out: Array) -> None:
    """Write a matrix, and a vector as its last column."""
    out[:, :-1] = weight.numpy()
    out[:, -1] = bias.numpy()
