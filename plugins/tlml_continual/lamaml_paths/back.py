"""The way back through a perceptron's inner steps, as `adjoint` goes it, by hand.

Of the first layer no matrix is made. Its v = ∂L/∂W is a sum of rows, v = Vᵀ X with the rows X of
the meta-batch: step i changes one row of V by the change of δ_i, and
∂L/∂A = −Σ (δ_i ∘ V[n]) ⊗ (x_i ∘ x_n) is one product in the end. A direction A ∘ v changes the
pre-activation of x_i by Σ V[n] ∘ P[i, n].

Where the meta-loss is at θ_k alone, the rows of V that belong to replayed examples stay as they
are: what they add is one matrix, and only pairs of the batch's own examples are left.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tlml_continual.lamaml_paths.contract import Recipe
from tlml_continual.lamaml_paths.example import Trace
from tlml_continual.lamaml_paths.losses import Array, ByHand
from tlml_continual.lamaml_paths.outer import Layers, Outer
from tlml_continual.lamaml_paths.pairs import Pairs


class Way:
    """v = ∂L/∂θ_i from i = k down to 0, and ∂L/∂α with it.

    Args:
        trace: The steps that were taken.
        layers: Where they began, and their rates.
        recipe: The order, and where the meta-loss is.
        loss: Of the rows.
        outer: The meta-loss and its slopes.
        x: The meta-batch ``[n, d]``.
    """

    def __init__(
        self, trace: Trace, layers: Layers, recipe: Recipe, loss: ByHand, outer: Outer, x: Tensor
    ) -> None:
        self.trace, self.layers, self.recipe, self.loss = trace, layers, recipe, loss
        self.outer, self.x = outer, x
        # Whether v is the same at all steps.
        self.constant = recipe.order == "first" and recipe.loss_at == "last"
        self.still = 0 if self.constant else len(x) - trace.rows  # replayed rows that V keeps
        self.rows = outer.rows[-1, self.still :]  # V of the others
        self.v = [slopes[-1] for slopes in outer.weights]
        self.marks = np.empty_like(trace.pairs)  # δ_i ∘ V[n]
        self.alpha = [np.zeros_like(v) for v in self.v]
        self._free = [np.empty_like(v) for v in self.v]
        self.replayed = self._replayed()
        self.added = self._added()

    def go(self) -> None:
        """Go all the way."""
        if self.constant:
            if self.recipe.learns_alpha:
                self._note_all()
            return
        last = self.trace.steps - 1
        for i in range(last, -1, -1):
            if self.recipe.loss_at == "mean" and i < last:
                self._meet(i)
            if self.recipe.learns_alpha:
                self._note(i)
            if self.recipe.order == "second":
                self._turn(i)

    def by_theta(self) -> list[Tensor]:
        """Return ∂L/∂θ: of all weights, then of all biases."""
        rows = torch.from_numpy(self.rows)
        weight, bias = rows.T @ self.x[self.still :], rows.sum(0)
        if self.replayed is not None:
            weight += self.replayed[0]
            bias += self.replayed[1]
        return _parted(weight, bias, self.v)

    def by_alpha(self, pairs: Pairs, theta: list[Tensor]) -> list[Tensor]:
        """Return ∂L/∂α in the same order, given ∂L/∂θ."""
        weight, bias = self._by_first(pairs, theta)
        if self.recipe.inner_relu:  # rates are not negative
            _keep_above_0(weight, self.layers.rate)
            _keep_above_0(bias, self.layers.bias_rate)
            for total, rates in zip(self.alpha, self.trace.rates, strict=True):
                total *= np.sign(rates)  # products with booleans are slow
        return _parted(weight, bias, self.alpha)

    def _meet(self, number: int) -> None:
        """Add the slopes of a meta-loss: v ← v + G."""
        self.rows += self.outer.rows[number, self.still :]
        for v, slopes in zip(self.v, self.outer.weights, strict=True):
            v += slopes[number]

    def _note(self, i: int) -> None:
        """Add a step's part of ∂L/∂α: −g_i ∘ v."""
        np.multiply(self.rows, self.trace.first_slopes[i], out=self.marks[i])
        for layer, v, total, free in zip(
            self.trace.layers[i], self.v, self.alpha, self._free, strict=True
        ):
            np.multiply(layer.product, v, out=free)
            np.subtract(total, free, out=total)

    def _note_all(self) -> None:
        """Add the parts of all steps: −(Σ g_i) ∘ v."""
        trace = self.trace
        for slopes, given, v, total in zip(
            trace.slopes, trace.given, self.v, self.alpha, strict=True
        ):
            np.multiply(np.dot(-slopes[:, 1].T, given[:, 0]), v, out=total)

    def _turn(self, i: int) -> None:
        """Go back through a step: v ← v − H_i (a ∘ v)."""
        trace = self.trace
        first = np.add.reduce(self.rows * trace.pairs[i], 0)
        if self.added is not None:
            first += self.added[i]
        along = [
            np.multiply(v, rates, out=free)
            for v, rates, free in zip(self.v, trace.rates, self._free, strict=True)
        ]
        self.rows[trace.first_own + i] -= trace.turned(self.loss, i, first, along)
        for layer, v, free in zip(trace.layers[i], self.v, self._free, strict=True):
            np.dot(layer.both_slopes, layer.both_given, out=free)  # the change of δ ⊗ h
            np.subtract(v, free, out=v)

    def _replayed(self) -> tuple[Tensor, Tensor] | None:
        """Return what rows whose V stays add to ∂L/∂W and ∂L/∂b of the first layer."""
        if not self.still:
            return None
        rows = torch.from_numpy(self.outer.rows[0, : self.still])
        return rows.T @ self.x[: self.still], rows.sum(0)

    def _added(self) -> Array | None:
        """Return what these rows add to each step's change of the first pre-activation."""
        if self.replayed is None:
            return None
        weight, bias = self.replayed
        turned = self.layers.rate * weight
        own = self.x[self.still :]
        found: Array = torch.addmm(self.layers.bias_rate * bias, own, turned.T).numpy()
        return found

    def _by_first(self, pairs: Pairs, theta: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return ∂L/∂A and ∂L/∂a of the first layer."""
        moved, slopes = self.outer.moved, torch.from_numpy(self.trace.first_slopes)
        if moved is not None and self.constant:
            return moved.mul_(theta[0]), -slopes.sum(0) * theta[len(self.layers.weights)]
        rate, bias_rate = pairs.folded(self.marks)
        if moved is not None and self.replayed is not None:
            rate.addcmul_(moved, self.replayed[0])
            bias_rate -= slopes.sum(0) * self.replayed[1]
        return rate, bias_rate


def _keep_above_0(slope: Tensor, rate: Tensor) -> None:
    """Set slopes to 0 where a rate is: the way back through a ReLU, in one pass."""
    torch.ops.aten.threshold_backward.grad_input(slope, rate, 0, grad_input=slope)


def _parted(weight: Tensor, bias: Tensor, joined: list[Array]) -> list[Tensor]:
    """Return all weights, then all biases, of layers from 1 on of which the latter are behind."""
    later = [torch.from_numpy(array) for array in joined]
    return [weight, *(one[:, :-1] for one in later), bias, *(one[:, -1] for one in later)]
