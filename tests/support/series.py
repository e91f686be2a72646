"""A stranger's plugin: series in time that resemble themselves, one or several."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from gymnasium.spaces import Box

from tlml import Domain, Examples, Spec, hookimpl
from tlml.data import SPLITS, Part, Split

KEPT = 0.8  # of the error of one step, in the next
_PARTS: dict[Part, slice] = {"train": slice(0, 60), "val": slice(0, 0), "test": slice(60, 360)}


class Run:
    """A line whose errors resemble those of their neighbours in time."""

    def __init__(self, name: str, key: tuple[int, int]) -> None:
        self.name, self.key = name, key

    def split(self, part: Part) -> Examples:
        """Return the examples of one part, in the order of time."""
        rng = np.random.default_rng(self.key)
        x, noise = rng.uniform(-1, 1, (360, 1)), rng.normal(size=360)
        for step in range(1, 360):
            noise[step] += KEPT * noise[step - 1]
        y, own = x + 0.3 * noise[:, None], _PARTS[part]
        return Examples(torch.tensor(x[own]).float(), torch.tensor(y[own]).float())


class Series(Domain[Run]):
    """Series in time.

    Args:
        targets: How many target tasks.
        blocks: The length of a block.
    """

    x = y = Box(-np.inf, np.inf, (1,), np.float32)

    def __init__(self, targets: int = 1, blocks: int | None = None) -> None:
        self.number, self.blocks = {"source": 3, "validation": 2, "target": targets}, blocks

    def tasks(self, split: Split) -> Sequence[Run]:
        """Return the series of a split."""
        place = SPLITS.index(split)
        return [Run(f"{split} {i}", (place, i)) for i in range(self.number[split])]


@hookimpl
def tlml_domains() -> list[Spec]:
    """Series."""
    gives = frozenset({"pair", "episodes", "finite", "regression"})
    return [Spec("series", "series:Series", "series in time", gives=gives)]
