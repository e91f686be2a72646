"""Products x_i ∘ x_n of the examples of a batch with each other and with replayed ones."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class Pairs:
    """The products of `own` examples with themselves and with `replayed` rows.

    x_i ∘ x_j is x_j ∘ x_i, so each pair of own examples is there once: k (k + 1) / 2 rows in the
    place of k².

    Args:
        own: Examples of the batch.
        replayed: Rows before them.
        like: Of the type and the number of columns that inputs have.
    """

    def __init__(self, own: int, replayed: int, like: Tensor) -> None:
        self.own, self.replayed = own, replayed
        self.first, self.second = torch.triu_indices(own, own)
        # A pair that is one example is met twice, as (i, j) and as (j, i).
        self.share = torch.where(self.first == self.second, 0.5, 1.0).to(like)[:, None]
        self.products = like.new_empty(len(self.first) + own * replayed, like.shape[1])
        self.moves = like.new_empty(0, 0)

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

    def moved(self, rates: Tensor, bias_rates: Tensor, out: Tensor) -> None:
        """Write ``P[i, n] = A (x_i ∘ x_n) + a`` into ``[own, replayed + own, out]``."""
        if self.moves.shape[1] != len(rates):
            self.moves = rates.new_empty(len(self.products), len(rates))
        torch.addmm(bias_rates, self.products, rates.T, out=self.moves)
        mine, theirs = self.moves[: len(self.first)], self.moves[len(self.first) :]
        out[:, : self.replayed] = theirs.view(self.own, self.replayed, theirs.shape[1])
        block = out[:, self.replayed :]
        block[self.first, self.second] = mine
        block[self.second, self.first] = mine

    def folded(self, weights: Tensor) -> Tensor:
        """Return Σ w[i, n] ⊗ (x_i ∘ x_n) ``[out, d]`` for ``w [own, replayed + own, out]``."""
        block = weights[:, self.replayed :]
        mine = block[self.first, self.second] + block[self.second, self.first]
        mine *= self.share
        theirs = weights[:, : self.replayed].reshape(self.own * self.replayed, weights.shape[2])
        return torch.cat([mine, theirs]).T @ self.products
