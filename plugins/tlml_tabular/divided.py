"""Tables divided by one of their columns: a covariate shift in real data."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from tlml import Domain, Examples
from tlml.data import SPLITS, Part, Split, keyed_rng
from tlml.errors import TlmlError, check_choice, check_not_negative, did_you_mean

Rows = NDArray[np.intp]

# Shares of a task's rows. Who has few labels of a target has none to spare for choosing options.
_SHARES: dict[Split, dict[Part, float]] = {
    "source": {"train": 0.6, "test": 0.25, "val": 0.15},
    "validation": {"train": 0.6, "test": 0.25, "val": 0.15},
    "target": {"train": 0.5, "test": 0.5, "val": 0.0},
}
_LEAST = 2  # rows of each class in each task: one to learn from and one to be judged by


@dataclass(frozen=True, slots=True)
class TableTask:
    """The rows of a table within one range of a column, in parts that share none."""

    name: str
    parts: dict[Part, Examples]

    def split(self, part: Part) -> Examples:
        """Return the rows ``x [n, columns]`` of a part with ``y [n]`` (classes) or ``y [n, 1]``."""
        check_choice("part", part, list(self.parts))
        return self.parts[part]


class DividedTable(Domain[TableTask]):
    """A table whose rows with low values of one column are the source, with high ones the target.

    A subclass names its columns and its classes (none where targets are values) and writes `table`.
    All columns, and targets that are values, are standardised by the source's ``train`` rows.
    """

    columns: ClassVar[tuple[str, ...]]
    classes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, by: str, cuts: Sequence[float], seed: int) -> None:
        if by not in self.columns:
            raise TlmlError(f"by: no column is called '{by}'{did_you_mean(by, self.columns)}")
        check_not_negative(seed=seed)
        self.by, self.cuts, self.seed = by, _checked_cuts(cuts), seed
        self.x = Box(-np.inf, np.inf, (len(self.columns),), np.float32)
        self.y = (
            Discrete(len(self.classes)) if self.classes else Box(-np.inf, np.inf, (1,), np.float32)
        )
        self._tasks: dict[Split, TableTask] = {}

    @abstractmethod
    def table(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return all rows ``[n, columns]`` and their targets ``[n]``: classes or values."""

    def tasks(self, split: Split) -> Sequence[TableTask]:
        """Return the one task of a split.

        Raises:
            TlmlError: The column leaves a split without rows, or without rows of a class.
        """
        check_choice("split", split, SPLITS)
        if not self._tasks:
            self._tasks = self._divide()
        return [self._tasks[split]]

    def __getstate__(self) -> dict[str, Any]:
        # The table is read again: copies for workers stay small.
        return {**self.__dict__, "_tasks": {}}

    def _divide(self) -> dict[Split, TableTask]:
        x, y = self.table()
        sides = self._sides(x[:, self.columns.index(self.by)])
        rows = {split: self._parts(split, side, y) for split, (_, side) in sides.items()}
        seen = rows["source"]["train"]
        inputs = torch.from_numpy(_standardise(x, seen)).float()
        if self.classes:
            targets = torch.from_numpy(y).long()
        else:
            targets = torch.from_numpy(_standardise(y[:, None], seen)).float()
        return {
            split: TableTask(name, {p: Examples(inputs[r], targets[r]) for p, r in own.items()})
            for (split, own), (name, _) in zip(rows.items(), sides.values(), strict=True)
        }

    def _sides(self, column: NDArray[Any]) -> dict[Split, tuple[str, Rows]]:
        """Return the name and the rows of each split's task."""
        low, high = np.quantile(column, self.cuts)
        return {
            "source": (f"{self.by} up to {low:g}", np.flatnonzero(column <= low)),
            "validation": (
                f"{self.by} from {low:g} to {high:g}",
                np.flatnonzero((column > low) & (column <= high)),
            ),
            "target": (f"{self.by} above {high:g}", np.flatnonzero(column > high)),
        }

    def _parts(self, split: Split, side: Rows, y: NDArray[Any]) -> dict[Part, Rows]:
        """Divide the rows of a split by chance, each class by itself."""
        groups = [side]
        if self.classes:
            groups = [side[y[side] == label] for label in range(len(self.classes))]
        for group, name in zip(groups, self.classes or ("",), strict=True):
            self._check_enough(split, len(group), name)
        rng, shares = keyed_rng(self.seed, split), _SHARES[split]
        ends = np.cumsum(list(shares.values()))[:-1]
        cut = [
            np.split(rng.permutation(own), np.rint(ends * len(own)).astype(int)) for own in groups
        ]
        return {
            p: np.concatenate(own) for p, own in zip(shares, zip(*cut, strict=True), strict=True)
        }

    def _check_enough(self, split: Split, number: int, name: str) -> None:
        if number < _LEAST:
            raise TlmlError(
                f"by: '{self.by}' leaves the {split} {number} rows{name and ' of ' + name}, and "
                f"{_LEAST} are needed; divide by another column, or set other cuts"
            )


def _standardise(values: NDArray[Any], seen: Rows) -> NDArray[np.float64]:
    from sklearn.preprocessing import StandardScaler

    scaled: NDArray[np.float64] = StandardScaler().fit(values[seen]).transform(values)
    return scaled


def _checked_cuts(cuts: Sequence[float]) -> tuple[float, float]:
    try:
        low, high = (float(cut) for cut in cuts)
    except (TypeError, ValueError):
        low = high = 0.0
    if not 0 < low < high < 1:
        raise TlmlError(
            "cuts: must be two shares of the rows, above 0, below 1 and the lower first, where the "
            f"source ends and where the target begins; is {cuts}"
        )
    return low, high
