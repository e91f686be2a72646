"""Columns as targets: classes, or values that errors are told of in their own units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from pandas.api import types
from torch import Tensor

from tlml.data.tables.encoding import center
from tlml.data.tables.values import Mask, holds_numbers, in_order, numbers, texts
from tlml.errors import TlmlError

MOST_CLASSES = 50  # of text
MOST_WHOLE = 10  # different whole numbers that are classes


@dataclass(frozen=True, slots=True)
class Classes:
    """A target that is one of some classes, numbered in the order of their names."""

    name: str
    labels: tuple[str, ...]

    def encode(self, frame: pd.DataFrame) -> Tensor:
        """Return the numbers of the classes ``[n]``."""
        codes = pd.Index(self.labels).get_indexer(pd.Index(texts(frame[self.name])))
        return torch.from_numpy(codes.astype(np.int64))


@dataclass(frozen=True, slots=True)
class Values:
    """Targets that are numbers.

    Args:
        names: Of the columns.
        means: Of the source, which are subtracted if `scaled`.
        spreads: Its deviations, which are divided by.
        scaled: Whether targets are scaled.
    """

    names: tuple[str, ...]
    means: tuple[float, ...]
    spreads: tuple[float, ...]
    scaled: bool

    def encode(self, frame: pd.DataFrame) -> Tensor:
        """Return the targets ``[n, d]``."""
        values = np.stack([numbers(frame[name]) for name in self.names], 1)
        if self.scaled:
            values = (values - np.array(self.means)) / np.array(self.spreads)
        return torch.from_numpy(values).float()

    def errors(self, scores: Tensor, y: Tensor) -> Tensor:
        """Return the errors of predictions ``[n, d]`` in the units of the columns."""
        errors = scores - y.to(scores)
        return errors * errors.new_tensor(self.spreads) if self.scaled else errors

    def measures(self, scores: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Return what predictions are worth, the metric first.

        One column is measured by the root of the mean squared error (``rmse``) and the mean
        absolute error (``mae``) in its units. Several are compared by ``scaled_rmse``, in
        deviations of the source; beside it is the ``rmse`` of each in its own units.
        """
        errors = self.errors(scores, y)
        roots = errors.square().mean(0).sqrt()
        if len(self.names) == 1:
            return {"rmse": roots[0], "mae": errors.abs().mean()}
        whole = (errors / errors.new_tensor(self.spreads)).square().mean().sqrt()
        own = {f"rmse_{name}": root for name, root in zip(self.names, roots, strict=True)}
        return {"scaled_rmse": whole, **own}


def fit_targets(
    frame: pd.DataFrame, targets: Sequence[str], source: Mask, *, listed: bool, scaled: bool
) -> Classes | Values:
    """Learn what the targets are.

    Args:
        frame: The table; none of the targets is missing.
        targets: The columns.
        source: Which rows are of the source ``[n]``; scales are learned from them.
        listed: Whether they were given as a list, and so are numbers.
        scaled: Whether values are to have mean 0 and deviation 1 in the source.

    Raises:
        TlmlError: They are neither classes nor numbers, or all the same.
    """
    if not listed and _is_class(frame[targets[0]]):
        return _fit_classes(frame[targets[0]])
    found = [_fit_values(frame[name], source) for name in targets]
    means, spreads = zip(*found, strict=True)
    return Values(tuple(targets), means, spreads, scaled)


def _is_class(column: pd.Series[Any]) -> bool:
    if types.is_bool_dtype(column) or not holds_numbers(column):
        return True
    if not types.is_integer_dtype(column):
        return False
    return bool(column.nunique() <= MOST_WHOLE)


def _fit_classes(column: pd.Series[Any]) -> Classes:
    labels = in_order(texts(column))
    if len(labels) > MOST_CLASSES:
        raise TlmlError(
            f"target: '{column.name}' is text with {len(labels)} different entries; {MOST_CLASSES} "
            "classes are the most that there may be; join some, or make numbers of it"
        )
    if len(labels) < 2:
        raise TlmlError(
            f"target: '{column.name}' is '{labels[0]}' in all rows; there is nothing to predict"
        )
    return Classes(str(column.name), tuple(labels))


def _fit_values(column: pd.Series[Any], source: Mask) -> tuple[float, float]:
    if not holds_numbers(column):
        raise TlmlError(
            f"target: '{column.name}' is text, and of several targets each must be numbers; name "
            "it alone for classes"
        )
    known = numbers(column)[source]
    mean, spread = center(known)
    if spread == 0:
        raise TlmlError(
            f"target: '{column.name}' is {mean:g} in all {len(known)} rows of the source; there is "
            "nothing to learn; choose other groups as source"
        )
    return mean, spread
