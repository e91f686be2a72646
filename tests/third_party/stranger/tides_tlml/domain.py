"""Sea levels at harbours: two tides, of the moon (12.42 hours) and of the sun (12 hours)."""

from dataclasses import dataclass

import numpy as np
import torch
from gymnasium.spaces import Box

from tlml import Domain, Examples

PERIODS = np.array([12.42, 12.0])


@dataclass(frozen=True)
class Harbour:
    """A gauge with 60 readings, of which 20 are for testing."""

    name: str
    seed: tuple[int, int]

    def split(self, part):
        """Return hours [n, 1], as shares of two days, and levels [n, 1] in metres."""
        rng = np.random.default_rng(self.seed)
        height, phase = rng.uniform(0.3, 1.5, 2), rng.uniform(0, 2 * np.pi, 2)
        hours = rng.uniform(0, 48, (60, 1))
        level = (height * np.cos(2 * np.pi * hours / PERIODS - phase)).sum(1, keepdims=True)
        rows = {"train": slice(0, 40), "val": slice(40, 40), "test": slice(40, 60)}[part]
        return Examples(torch.tensor(hours[rows] / 48).float(), torch.tensor(level[rows]).float())


class Tides(Domain):
    """The sea level at harbours with few gauges.

    Args:
        harbours: How many there are in each split.
    """

    def __init__(self, harbours: int = 10):
        self.harbours = harbours
        self.x, self.y = Box(0, 1, (1,)), Box(-3, 3, (1,))

    def tasks(self, split):
        """Return the harbours of a split."""
        place = ["source", "validation", "target"].index(split)
        return [Harbour(f"{split} {i}", (place, i)) for i in range(self.harbours)]
