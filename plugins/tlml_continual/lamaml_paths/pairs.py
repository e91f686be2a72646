"""Products x_i ∘ x_n of the examples of a batch with each other and with replayed ones."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tlml_continual.lamaml_paths.losses import Array


class Pairs:
    """The products of `own` examples with themselves and with `replayed` rows.

    x_i ∘ x_j is x_j ∘ x_i, so each pair of own examples is there once: k (k + 1) / 2 rows in the
    place of k².

    Args:
        own: Examples of the batch.
        replayed: Rows before them.
        out: Numbers that each product is mapped to.
        like: Of the type and the number of columns that inputs have.
    """

    def __init__(self, own: int, replayed: int, out: int, like: Tensor) -> None:
        self.own, self.replayed = own, replayed
        first, second = np.triu_indices(own)
        rows, self.distinct = replayed + own, len(first)
        # Where the pair of a step and a row is among the products.
        self.places = np.empty((own, rows), np.int64)
        self.places[first, replayed + second] = self.places[second, replayed + first] = range(
            self.distinct
        )
        self.places[:, :replayed] = self.distinct + np.arange(own * replayed).reshape(own, -1)
        # Where both of (i, j) and (j, i) are among steps and rows; a pair of one is met twice.
        self.one, self.other = first * rows + replayed + second, second * rows + replayed + first
        self.same = np.flatnonzero(first == second)
        self.products = like.new_empty(self.distinct + own * replayed, like.shape[1])
        self.mapped = like.new_empty(len(self.products), out)

    def fill(self, x: Tensor) -> None:
        """Take inputs ``[replayed + own, d]``."""
        rows, products, place = x.numpy(), self.products.numpy(), 0
        replay, own = rows[: self.replayed], rows[self.replayed :]
        for i in range(self.own):
            end = place + self.own - i
            np.multiply(own[i], own[i:], out=products[place:end])
            place = end
        if self.replayed:
            theirs = products[place:].reshape(self.own, self.replayed, x.shape[1])
            np.multiply(own[:, None], replay, out=theirs)

    def moved(self, rates: Tensor, bias_rates: Tensor, out: Array) -> None:
        """Write ``P[i, n] = A (x_i ∘ x_n) + a`` into ``[own, replayed + own, out]``."""
        torch.addmm(bias_rates, self.products, rates.T, out=self.mapped)
        # A place that can't be there need not be looked for, and `out` not be copied for it.
        np.take(self.mapped.numpy(), self.places, axis=0, out=out, mode="clip")

    def folded(self, weights: Array) -> tuple[Tensor, Tensor]:
        """Return −Σ w[i, n] ⊗ (x_i ∘ x_n) ``[out, d]`` and −Σ w[i, n].

        Args:
            weights: w ``[own, replayed + own, out]``.
        """
        found, flat = self.mapped.numpy(), weights.reshape(-1, weights.shape[2])
        mine = found[: self.distinct]
        np.take(flat, self.one, axis=0, out=mine, mode="clip")
        mine += flat[self.other]
        mine[self.same] *= 0.5
        theirs = found[self.distinct :].reshape(self.own, self.replayed, found.shape[1])
        theirs[:] = weights[:, : self.replayed]
        np.negative(found, out=found)
        return self.mapped.T @ self.products, self.mapped.sum(0)
