"""Products x_i ∘ x_n of the examples of a batch with each other and with replayed ones."""

from __future__ import annotations

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
        upper = torch.triu_indices(own, own, 1)
        same = torch.arange(own)
        # The diagonal first, which is not to be counted twice.
        self.first, self.second = torch.cat([same, upper[0]]), torch.cat([same, upper[1]])
        self.products = like.new_empty(len(self.first) + own * replayed, like.shape[1])

    def fill(self, x: Tensor) -> None:
        """Take inputs ``[replayed + own, d]``."""
        replay, own = x[: self.replayed], x[self.replayed :]
        mine, theirs = self._divided(self.products)
        torch.mul(own[self.first], own[self.second], out=mine)
        torch.mul(own[:, None], replay, out=theirs.view(self.own, self.replayed, theirs.shape[1]))

    def moved(self, rates: Tensor, bias_rates: Tensor, out: Tensor) -> None:
        """Write ``P[i, n] = A (x_i ∘ x_n) + a`` into ``[own, replayed + own, out]``."""
        mine, theirs = self._divided(torch.addmm(bias_rates, self.products, rates.T))
        out[:, : self.replayed] = theirs.view(self.own, self.replayed, theirs.shape[1])
        block = out[:, self.replayed :]
        block[self.first, self.second] = mine
        block[self.second, self.first] = mine

    def folded(self, weights: Tensor) -> Tensor:
        """Return Σ w[i, n] ⊗ (x_i ∘ x_n) ``[out, d]`` for ``w [own, replayed + own, out]``."""
        block = weights[:, self.replayed :]
        mine = block[self.first, self.second]
        mine[self.own :] += block[self.second[self.own :], self.first[self.own :]]
        theirs = weights[:, : self.replayed].reshape(self.own * self.replayed, weights.shape[2])
        return torch.cat([mine, theirs]).T @ self.products

    def _divided(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        return rows[: len(self.first)], rows[len(self.first) :]
