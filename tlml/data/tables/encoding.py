"""Columns as inputs of networks. What is learned for it is learned from the source alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tlml.data.tables.values import Floats, Mask, holds_numbers, numbers, texts
from tlml.errors import TlmlError

MOST_CATEGORIES = 50  # of a column of text


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """A column of numbers.

    Args:
        name: Of the column.
        median: Of the source, in the place of what is missing.
        mean: What is subtracted.
        spread: What is divided by.
        indicated: Whether a second input says where a value is missing.
    """

    name: str
    median: float
    mean: float
    spread: float
    indicated: bool

    def names(self) -> list[str]:
        """Return the names of its inputs."""
        return [self.name, f"{self.name} is missing"] if self.indicated else [self.name]

    def encode(self, column: pd.Series[Any]) -> Floats:
        """Return the inputs ``[n, 1 or 2]``."""
        values = numbers(column)
        missing = np.isnan(values)
        scaled = (np.where(missing, self.median, values) - self.mean) / self.spread
        return np.stack([scaled, missing.astype(np.float64)][: len(self.names())], 1)


@dataclass(frozen=True, slots=True)
class TextColumn:
    """A column of text: an input for each category, all 0 for others and where it is missing."""

    name: str
    categories: tuple[str, ...]

    def names(self) -> list[str]:
        """Return the names of its inputs."""
        return [f"{self.name} = {category}" for category in self.categories]

    def encode(self, column: pd.Series[Any]) -> Floats:
        """Return the inputs ``[n, categories]``."""
        codes = pd.Index(self.categories).get_indexer(pd.Index(texts(column)))
        return np.eye(len(self.categories) + 1)[codes, :-1]  # the code -1 is the last row


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the columns of a table become inputs."""

    columns: tuple[NumberColumn | TextColumn, ...]

    def names(self) -> list[str]:
        """Return the names of the inputs."""
        return [name for column in self.columns for name in column.names()]

    def encode(self, frame: pd.DataFrame) -> Floats:
        """Return the inputs ``[n, d]`` of a frame that has the columns."""
        return np.concatenate([one.encode(frame[one.name]) for one in self.columns], 1)


def fit_encoding(
    frame: pd.DataFrame, features: Sequence[str], source: Mask, *, scaled: bool
) -> Encoding:
    """Learn from the source's rows how columns become inputs.

    Args:
        frame: The table.
        features: The columns.
        source: Which rows are of the source ``[n]``; nothing else is looked at.
        scaled: Whether numbers are to have mean 0 and deviation 1 there.

    Raises:
        TlmlError: A column can't be an input; which, why, and what would do.
    """
    rows = frame[source]
    return Encoding(tuple(_fit_column(rows[name], scaled) for name in features))


def _fit_column(column: pd.Series[Any], scaled: bool) -> NumberColumn | TextColumn:
    if not column.notna().any():
        raise TlmlError(
            f"column '{column.name}': it has no values in the source; leave it out of features"
        )
    return _fit_numbers(column, scaled) if holds_numbers(column) else _fit_text(column)


def _fit_numbers(column: pd.Series[Any], scaled: bool) -> NumberColumn:
    values = numbers(column)
    known = values[~np.isnan(values)]
    mean, spread = center(known) if scaled else (0.0, 1.0)
    median = float(np.median(known))
    return NumberColumn(str(column.name), median, mean, spread or 1.0, len(known) < len(values))


def _fit_text(column: pd.Series[Any]) -> TextColumn:
    found = sorted(set(texts(column).dropna()))
    if len(found) > MOST_CATEGORIES:
        raise TlmlError(
            f"column '{column.name}': it is text with {len(found)} different entries in the "
            f"source, and an input is made for each of {MOST_CATEGORIES} at most; leave it out of "
            "features, join entries, or name it as order where it is a date"
        )
    return TextColumn(str(column.name), tuple(found))


def center(values: Floats) -> tuple[float, float]:
    """Return mean and deviation of numbers; that of equal ones is exactly 0."""
    if values.min() == values.max():
        return float(values[0]), 0.0
    return float(values.mean()), float(values.std())
