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
from scipy.linalg.blas import dger, sger
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
        self.still = len(x) - trace.rows  # replayed rows of which V stays as it is
        self.rows = np.zeros_like(trace.before[0])  # V of the others
        self.marks = np.empty_like(trace.pairs)  # δ_i ∘ V[n]
        self.v = [np.zeros_like(rate) for rate in trace.rates[1:]]
        self.v_bias = [np.zeros_like(rate) for rate in trace.bias_rates[1:]]
        self.alpha = [np.zeros_like(rate) for rate in trace.rates[1:]]
        self.alpha_bias = [np.zeros_like(rate) for rate in trace.bias_rates[1:]]
        self._free = [np.empty_like(rate) for rate in trace.rates[1:]]
        self.replayed = self._replayed()
        self.added = self._added() if self.recipe.order == "second" else None

    def go(self) -> None:
        """Go all the way."""
        last = self.trace.steps - 1
        for i in range(last, -1, -1):
            if self.recipe.loss_at == "mean":
                self._meet(i)
            elif i == last:
                self._meet(0)
            if self.recipe.learns_alpha and not self._constant:
                self._note(i)
            if self.recipe.order == "second":
                self._turn(i)
        if self.recipe.learns_alpha and self._constant:
            self._note_all()

    @property
    def _constant(self) -> bool:
        """Whether v is the same at all steps."""
        return self.recipe.order == "first" and self.recipe.loss_at == "last"

    def by_theta(self) -> list[Tensor]:
        """Return ∂L/∂θ: of all weights, then of all biases."""
        rows = torch.from_numpy(self.rows)
        weight, bias = rows.T @ self.x[self.still :], rows.sum(0)
        if self.replayed is not None:
            weight += self.replayed[0]
            bias += self.replayed[1]
        return [weight, *_tensors(self.v), bias, *_tensors(self.v_bias)]

    def by_alpha(self, pairs: Pairs, theta: list[Tensor]) -> list[Tensor]:
        """Return ∂L/∂α in the same order, given ∂L/∂θ."""
        rate, bias_rate = self._by_first(pairs, theta)
        found = [rate, *_tensors(self.alpha), bias_rate, *_tensors(self.alpha_bias)]
        if self.recipe.inner_relu:
            for slope, each in zip(
                found, [*self.layers.rates, *self.layers.bias_rates], strict=True
            ):
                slope *= each.sign()  # rates are not negative; products with booleans are slow
        return found

    def _meet(self, number: int) -> None:
        """Add the slopes of a meta-loss: v ← v + G."""
        self.rows += self.outer.rows[number, self.still :]
        for v, slopes in zip(self.v, self.outer.weights, strict=True):
            v += slopes[number]
        for v, slopes in zip(self.v_bias, self.outer.biases, strict=True):
            v += slopes[number]

    def _note(self, i: int) -> None:
        """Add a step's part of ∂L/∂α: −g_i ∘ v."""
        trace = self.trace
        np.multiply(self.rows, trace.slopes[0][i], out=self.marks[i])
        for layer, (v, v_bias) in enumerate(zip(self.v, self.v_bias, strict=True)):
            np.multiply(trace.products[layer + 1][i], v, out=self._free[layer])
            self.alpha[layer] -= self._free[layer]
            self.alpha_bias[layer] -= v_bias * trace.slopes[layer + 1][i]

    def _note_all(self) -> None:
        """Add the parts of all steps: −(Σ g_i) ∘ v."""
        trace = self.trace
        for layer, (v, v_bias) in enumerate(zip(self.v, self.v_bias, strict=True)):
            slopes = trace.slopes[layer + 1]
            self.alpha[layer] -= (slopes.T @ trace.hidden[layer]) * v
            self.alpha_bias[layer] -= slopes.sum(0) * v_bias

    def _turn(self, i: int) -> None:
        """Go back through a step: v ← v − H_i (a ∘ v)."""
        trace = self.trace
        first = (self.rows * trace.pairs[i]).sum(0)
        if self.added is not None:
            first += self.added[i]
        along = [
            np.multiply(v, rate, out=free)
            for v, rate, free in zip(self.v, trace.rates[1:], self._free, strict=True)
        ]
        along_bias = [v * rate for v, rate in zip(self.v_bias, trace.bias_rates[1:], strict=True)]
        slopes, given = trace.turned(self.loss, i, first, along, along_bias)
        self.rows[trace.first_own + i] -= slopes[0]
        for layer, v in enumerate(self.v):
            # The change of δ ⊗ h.
            _subtract_product(v, slopes[layer + 1], trace.hidden[layer][i])
            _subtract_product(v, trace.slopes[layer + 1][i], given[layer])
            self.v_bias[layer] -= slopes[layer + 1]

    def _replayed(self) -> tuple[Tensor, Tensor] | None:
        """Return what rows whose V stays add to ∂L/∂W and ∂L/∂b of the first layer."""
        if self.recipe.loss_at == "mean":
            return None
        rows = torch.from_numpy(self.outer.rows[0, : self.still])
        return rows.T @ self.x[: self.still], rows.sum(0)

    def _added(self) -> Array | None:
        """Return what these rows add to each step's change of the first pre-activation."""
        if self.replayed is None:
            return None
        weight, bias = self.replayed
        turned = self.layers.rates[0] * weight
        own = self.x[self.still :]
        found: Array = torch.addmm(self.layers.bias_rates[0] * bias, own, turned.T).numpy()
        return found

    def _by_first(self, pairs: Pairs, theta: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return ∂L/∂A and ∂L/∂a of the first layer."""
        slopes, moved = torch.from_numpy(self.trace.slopes[0]), self.outer.moved
        bias = theta[len(self.layers.weights)]
        if moved is not None and self._constant:
            return moved.mul_(theta[0]).neg_(), -slopes.sum(0) * bias
        marks = torch.from_numpy(self.marks)
        rate, bias_rate = pairs.folded(marks).neg_(), -marks.sum((0, 1))
        if moved is not None and self.replayed is not None:
            rate.addcmul_(moved, self.replayed[0], value=-1)
            bias_rate -= slopes.sum(0) * self.replayed[1]
        return rate, bias_rate


def _subtract_product(matrix: Array, left: Array, right: Array) -> None:
    """Subtract left ⊗ right in place, by BLAS: three times as fast as in NumPy."""
    subtract = sger if matrix.dtype == np.float32 else dger
    subtract(-1.0, right, left, a=matrix.T, overwrite_a=1)  # BLAS counts columns first


def _tensors(arrays: list[Array]) -> list[Tensor]:
    return [torch.from_numpy(array) for array in arrays]
