"""What is drawn how often: a tree of sums over weights (Schaul et al. 2016, arXiv 1511.05952)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Array = NDArray[Any]


class SumTree(nn.Module):
    """Weights of numbered places, which are drawn in proportion to them.

    Each node of a binary tree is the sum of the two below it, so that a draw and a change take as
    many steps as there are levels; many places go through them at once.

    Args:
        size: How many places.
    """

    nodes: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.levels = max(1, (size - 1).bit_length())
        self.first = 1 << self.levels  # the leaves stand last
        self.register_buffer("nodes", torch.zeros(2 * self.first, dtype=torch.float64))

    def total(self) -> float:
        """Return the sum of all weights."""
        return float(self.nodes[1])

    def at(self, places: Array) -> Array:
        """Return the weights of places ``[...]``."""
        found: Array = self.nodes.numpy()[self.first + places]
        return found

    def put(self, places: Array, weights: Array | float) -> None:
        """Give places ``[n]`` other weights; of a place that stands twice, the later counts."""
        nodes, changed = self.nodes.numpy(), self.first + np.asarray(places)
        nodes[changed] = weights
        for _ in range(self.levels):
            changed = np.unique(changed >> 1)
            nodes[changed] = nodes[2 * changed] + nodes[2 * changed + 1]

    def find(self, sums: Array) -> Array:
        """Return the place ``[...]`` up to which weights add up to more than a sum."""
        nodes, left, place = self.nodes.numpy(), np.array(sums), np.ones(np.shape(sums), np.int64)
        for _ in range(self.levels):
            place *= 2
            below = nodes[place]
            # Rounding may lead past the last weight: nothing is found where there is none.
            right = (left >= below) & (nodes[place + 1] > 0)
            left -= np.where(right, below, 0.0)
            place += right
        return place - self.first
