"""A perceptron's steps on single examples, and products with their Hessians, in NumPy.

An operation of torch on a hundred numbers is all overhead, and there are about forty in a step. The
first layer W is never updated: with P[i, n] = A (x_i ∘ x_n) + a, for its rates A and a of the bias,
step i moves the pre-activations of row n by −δ_i ∘ P[i, n].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tlml_continual.lamaml_paths.losses import Array, ByHand


@dataclass(frozen=True, slots=True)
class Trace:
    """What is kept of k steps; layers are counted from 0, and of layer 0 there are no weights.

    Args:
        tanh: Whether the activation is tanh, else relu.
        weights: Of layers from 1 on, at θ_0 to θ_k ``[k + 1, out, in]``; item 0 is None.
        biases: The same ``[k + 1, out]``.
        rates: Of these weights ``[out, in]``.
        bias_rates: Of these biases ``[out]``.
        before: Pre-activations of layer 0, at θ_0 to θ_k, of the rows that matter
            ``[k + 1, rows, out]``; those of the batch are last.
        pairs: P of each step and row ``[k, rows, out]``.
        hidden: What layers but the last gave for the example of each step ``[k, out]``.
        slopes: The slope δ by each layer's pre-activation ``[k, out]``.
        products: Those by the weights, δ ⊗ h ``[k, out, in]``; item 0 is not used.
        moves: What a step subtracts from weights ``[out, in]``; item 0 is not used.
        backs: That by each hidden layer's output ``[k, out]``.
        kept: What the loss needs for its second derivative ``[k, outputs]``.
    """

    tanh: bool
    weights: list[Array]
    biases: list[Array]
    rates: list[Array]
    bias_rates: list[Array]
    before: Array
    pairs: Array
    hidden: list[Array]
    slopes: list[Array]
    products: list[Array]
    moves: list[Array]
    backs: list[Array]
    kept: Array

    @classmethod
    def empty(
        cls,
        tanh: bool,
        sizes: tuple[int, ...],
        steps: int,
        rows: int,
        dtype: np.dtype[Any],
        keeps: bool = True,
    ) -> Trace:
        """Make room for some steps of layers of some `sizes`, the inputs' first.

        Args:
            tanh: The activation.
            sizes: Of the inputs and of all layers.
            steps: How many.
            rows: Rows that matter.
            dtype: Of all numbers.
            keeps: Whether weights and their slopes are looked at after the step that follows; else
                those of all steps are one place in memory, which stays in the caches.
        """
        outs, layers = sizes[1:], range(1, len(sizes) - 1)
        none = np.empty(0, dtype)

        def room(*shape: int) -> Array:
            return np.empty(shape, dtype)

        def rolling(*shape: int) -> Array:
            if keeps:
                return room(*shape)
            one = room(*shape[1:])
            return np.lib.stride_tricks.as_strided(one, shape, (0, *one.strides))

        return cls(
            tanh,
            [none, *(rolling(steps + 1, outs[i], outs[i - 1]) for i in layers)],
            [none, *(room(steps + 1, outs[i]) for i in layers)],
            [none] * len(outs), [none] * len(outs),
            room(steps + 1, rows, outs[0]), room(steps, rows, outs[0]),
            [room(steps, out) for out in outs[:-1]],
            [room(steps, out) for out in outs],
            [none, *(rolling(steps, outs[i], outs[i - 1]) for i in layers)],
            [none, *(room(outs[i], outs[i - 1]) for i in layers)],
            [room(steps, out) for out in outs[:-1]],
            room(steps, outs[-1]),
        )  # fmt: skip

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return int(self.kept.shape[0])

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self.pairs.shape[1])

    @property
    def first_own(self) -> int:
        """The row of the batch's first example."""
        return self.rows - self.steps

    def step_down(self, loss: ByHand, first: int) -> None:
        """Take all steps, one example each.

        Args:
            loss: Of the rows of the meta-batch.
            first: Where the batch begins in these.
        """
        for i in range(self.steps):
            scores = self._forward(i)
            slope, self.kept[i] = loss.of_one(first + i, scores)
            self._backward(i, slope)
            np.multiply(self.pairs[i], self.slopes[0][i], out=self.before[i + 1])
            np.subtract(self.before[i], self.before[i + 1], out=self.before[i + 1])

    def _forward(self, i: int) -> Array:
        given: Array = self.before[i, self.first_own + i]
        for layer in range(1, len(self.weights)):
            hidden = self.hidden[layer - 1][i]
            if self.tanh:
                np.tanh(given, out=hidden)
            else:
                np.maximum(given, 0, out=hidden)
            given = self.weights[layer][i] @ hidden
            given += self.biases[layer][i]
        return given

    def _backward(self, i: int, slope: Array) -> None:
        """Go back through the layers, and move the weights of each."""
        for layer in reversed(range(1, len(self.weights))):
            self.slopes[layer][i] = slope
            weights, hidden = self.weights[layer], self.hidden[layer - 1][i]
            product, move = self.products[layer][i], self.moves[layer]
            back = slope @ weights[i]
            np.dot(slope[:, None], hidden[None], out=product)
            np.multiply(self.rates[layer], product, out=move)
            np.subtract(weights[i], move, out=weights[i + 1])
            biases = self.biases[layer]
            np.subtract(biases[i], self.bias_rates[layer] * slope, out=biases[i + 1])
            self.backs[layer - 1][i] = back
            slope = back * self._bend(hidden)
        self.slopes[0][i] = slope

    def _bend(self, hidden: Array) -> Array:
        """Return the activation's derivative where it gave `hidden`."""
        found: Array = 1 - hidden * hidden if self.tanh else hidden > 0
        return found

    def turned(
        self, loss: ByHand, i: int, first: Array, along: list[Array], along_bias: list[Array]
    ) -> tuple[list[Array], list[Array]]:
        """Return the Hessian of example i's loss at θ_i times a direction (Pearlmutter 1994).

        Args:
            loss: What is differentiated.
            i: The step.
            first: The direction as a change of layer 0's pre-activation ``[out]``.
            along: The direction of the weights of layers from 1 on.
            along_bias: That of their biases.

        Returns:
            The changes of all slopes δ, and of what the hidden layers gave.
        """
        layers = range(1, len(self.weights))
        bends = [self._bend(hidden[i]) for hidden in self.hidden]
        befores, given = [first], [bends[0] * first]
        for layer in layers:
            change = self.weights[layer][i] @ given[-1]
            change += along[layer - 1] @ self.hidden[layer - 1][i]
            change += along_bias[layer - 1]
            befores.append(change)
            if layer + 1 < len(self.weights):
                given.append(bends[layer] * change)
        change = loss.turned(self.kept[i], befores[-1])
        slopes = [change]
        for layer in reversed(layers):
            back = change @ self.weights[layer][i] + self.slopes[layer][i] @ along[layer - 1]
            back *= bends[layer - 1]
            if self.tanh:
                hidden = self.hidden[layer - 1][i]
                back -= 2 * hidden * given[layer - 1] * self.backs[layer - 1][i]
            change = back
            slopes.append(change)
        return slopes[::-1], given
