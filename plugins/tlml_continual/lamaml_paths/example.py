"""A perceptron's steps on single examples, and products with their Hessians, in NumPy.

An operation of torch on a hundred numbers is all overhead, and there are about forty in a step. The
first layer W is never updated: with P[i, n] = A (x_i ∘ x_n) + a, for its rates A and a of the bias,
step i moves the pre-activations of row n by −δ_i ∘ P[i, n]. A later layer's bias is the last column
of its weights, and what it is given ends in a 1, so that one operation does for both.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from tlml_continual.lamaml_paths.losses import Array, ByHand


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer above the first, at one step: views of what a `Trace` keeps.

    Args:
        tanh: Whether the activation below is tanh, else relu.
        weights: At θ_i ``[out, in + 1]``.
        after: At θ_{i+1}.
        rates: Of the weights.
        hidden: What the layer below gave ``[in]``; the beginning of `given`.
        turned: Its change along a direction, the beginning of `given_turned`.
        bend: The activation's derivative there ``[in]``.
        given: `hidden` and a 1 ``[in + 1]``.
        given_turned: `turned` and a 0.
        slope: δ, the loss's slope by the pre-activation ``[out]``.
        slope_turned: Its change.
        back: The slope by what was given ``[in + 1]``.
        back_hidden: The beginning of it, by `hidden`.
        slope_below: δ of the layer below ``[in]``.
        product: δ ⊗ given ``[out, in + 1]``, the slope by the weights.
        move: Room for what the weights move by.
        both_given: `given` and `given_turned` as two rows.
        both_slopes: `slope_turned` and `slope`, by which these are to be multiplied.
        column: δ ``[out, 1]``.
        row: `given` ``[1, in + 1]``.
        nothing: Zeros ``[in]``.
    """

    tanh: bool
    weights: Array
    after: Array
    rates: Array
    hidden: Array
    turned: Array
    bend: Array
    given: Array
    given_turned: Array
    slope: Array
    slope_turned: Array
    back: Array
    back_hidden: Array
    slope_below: Array
    product: Array
    move: Array
    both_given: Array
    both_slopes: Array
    column: Array
    row: Array
    nothing: Array

    def forward(self, before: Array) -> Array:
        """Return pre-activations, of those of the layer below."""
        if self.tanh:
            np.tanh(before, out=self.hidden)
            np.subtract(1, np.square(self.hidden), out=self.bend)
        else:
            np.maximum(before, self.nothing, out=self.hidden)
            np.sign(self.hidden, out=self.bend)
        found: Array = np.dot(self.weights, self.given)
        return found

    def step(self) -> None:
        """Move the weights down the slope, and find that by the pre-activations below."""
        np.dot(self.slope, self.weights, out=self.back)  # first: `after` may be the same place
        np.multiply(self.back_hidden, self.bend, out=self.slope_below)
        np.dot(self.column, self.row, out=self.product)
        np.multiply(self.rates, self.product, out=self.move)
        np.subtract(self.weights, self.move, out=self.after)

    def turn(self, change: Array, along: Array) -> Array:
        """Return how pre-activations change with those below, and with the weights `along`."""
        np.multiply(self.bend, change, out=self.turned)
        found: Array = np.dot(self.weights, self.given_turned)
        found += np.dot(along, self.given)
        return found

    def turn_back(self, change: Array, along: Array) -> Array:
        """Return how the slope by the pre-activations below changes, with the slope's change."""
        self.slope_turned[:] = change
        back = np.dot(change, self.weights)
        back += np.dot(self.slope, along)
        found: Array = back[:-1] * self.bend
        if self.tanh:
            found -= 2 * self.hidden * self.turned * self.back_hidden
        return found


@dataclass(frozen=True, slots=True)
class Trace:
    """What is kept of k steps.

    Args:
        weights: Of layers from 1 on, at θ_0 to θ_k ``[k + 1, out, in + 1]``.
        rates: Of these ``[out, in + 1]``.
        given: What they were given ``[k, 2, in + 1]``, and its change.
        slopes: The change of δ, and δ ``[k, 2, out]``.
        layers: The same by steps.
        before: Pre-activations of layer 0, at θ_0 to θ_k, of the rows that matter
            ``[k + 1, rows, out]``; those of the batch are last.
        pairs: P of each step and row ``[k, rows, out]``.
        first_slopes: δ of layer 0 ``[k, out]``.
        kept: What the loss needs for its second derivative ``[k, outputs]``.
        meta_given: What layers from 1 on are given for the rows of m meta-losses, and a 1 behind
            ``[m, n, in + 1]``.
        tanh: Whether the activation is tanh, else relu.
    """

    weights: list[Array]
    rates: list[Array]
    given: list[Array]
    slopes: list[Array]
    layers: list[list[Layer]]
    before: Array
    pairs: Array
    first_slopes: Array
    kept: Array
    meta_given: list[Array]
    tanh: bool

    @classmethod
    def empty(
        cls,
        tanh: bool,
        sizes: tuple[int, ...],
        steps: int,
        rows: int,
        metas: tuple[int, int],
        dtype: np.dtype[Any],
        keeps: bool = True,
    ) -> Trace:
        """Make room for some steps of layers of some `sizes`, the inputs' first.

        Args:
            tanh: The activation.
            sizes: Of the inputs and of all layers.
            steps: How many.
            rows: Rows that matter.
            metas: How many meta-losses, and rows of each.
            dtype: Of all numbers.
            keeps: Whether weights and their slopes are looked at after the step that follows; else
                those of all steps are one place in memory, which stays in the caches.
        """
        rooms = [_Room.empty(out, below, steps, dtype, keeps) for below, out in pairwise(sizes[1:])]
        first = np.empty((steps, sizes[1]), dtype)
        return cls(
            [room.weights for room in rooms],
            [room.rates for room in rooms],
            [room.given for room in rooms],
            [room.slopes for room in rooms],
            [
                [
                    room.layer(i, tanh, below)
                    for room, below in zip(
                        rooms, [first[i], *(room.slopes[i, 1] for room in rooms)], strict=False
                    )
                ]
                for i in range(steps)
            ],
            np.empty((steps + 1, rows, sizes[1]), dtype),
            np.empty((steps, rows, sizes[1]), dtype),
            first,
            np.empty((steps, sizes[-1]), dtype),
            [np.ones((*metas, below + 1), dtype) for below in sizes[1:-1]],
            tanh,
        )

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return len(self.kept)

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
        for i, layers in enumerate(self.layers):
            before, after = self.before[i], self.before[i + 1]
            given = before[self.first_own + i]
            for layer in layers:
                given = layer.forward(given)
            loss.of_one(first + i, given, layers[-1].slope, self.kept[i])
            for layer in reversed(layers):
                layer.step()
            np.multiply(self.pairs[i], layers[0].slope_below, out=after)
            np.subtract(before, after, out=after)

    def turned(self, loss: ByHand, i: int, first: Array, along: list[Array]) -> Array:
        """Multiply the Hessian of example i's loss at θ_i by a direction (Pearlmutter 1994).

        What it is for the weights of layers from 1 on is told by `both_slopes` and `both_given`.

        Args:
            loss: What is differentiated.
            i: The step.
            first: The direction as a change of layer 0's pre-activation ``[out]``.
            along: The direction of the weights of layers from 1 on.

        Returns:
            The change of layer 0's slope δ.
        """
        change = first
        for layer, direction in zip(self.layers[i], along, strict=True):
            change = layer.turn(change, direction)
        change = loss.turned(self.kept[i], change)
        for layer, direction in zip(reversed(self.layers[i]), reversed(along), strict=True):
            change = layer.turn_back(change, direction)
        return change


@dataclass(frozen=True, slots=True)
class _Room:
    """What a `Trace` keeps of one layer, for all steps."""

    weights: Array
    rates: Array
    given: Array
    bends: Array
    slopes: Array
    backs: Array
    products: Array
    move: Array

    @classmethod
    def empty(cls, out: int, below: int, steps: int, dtype: np.dtype[Any], keeps: bool) -> _Room:
        def rolling(number: int) -> Array:
            if keeps:
                return np.empty((number, out, below + 1), dtype)
            one = np.empty((out, below + 1), dtype)
            return np.lib.stride_tricks.as_strided(one, (number, *one.shape), (0, *one.strides))

        given = np.empty((steps, 2, below + 1), dtype)
        given[:, 0, -1], given[:, 1, -1] = 1, 0
        return cls(
            rolling(steps + 1), np.empty((out, below + 1), dtype), given,
            np.empty((steps, below), dtype), np.empty((steps, 2, out), dtype),
            np.empty((steps, below + 1), dtype), rolling(steps), np.empty((out, below + 1), dtype),
        )  # fmt: skip

    def layer(self, i: int, tanh: bool, below: Array) -> Layer:
        given, slopes, back = self.given[i], self.slopes[i], self.backs[i]
        return Layer(
            tanh, self.weights[i], self.weights[i + 1], self.rates, given[0, :-1], given[1, :-1],
            self.bends[i], given[0], given[1], slopes[1], slopes[0], back, back[:-1],
            below, self.products[i], self.move, given, slopes.T, slopes[1][:, None], given[:1],
            np.zeros_like(below),
        )  # fmt: skip
