"""The losses whose slopes are written by hand, of many rows at once and of one example."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tlml_continual.lamaml_paths.contract import Objective, Rows

Array = NDArray[Any]


class ByHand(Protocol):
    """A loss of rows of scores and their targets."""

    def of_rows(self, scores: Array) -> tuple[float, Array]:
        """Return the mean loss of scores ``[m, n, outputs]``, and its slope by them."""

    def of_one(self, row: int, scores: Array, slope: Array, kept: Array) -> None:
        """Write the slope of one row's loss by its scores, and what `turned` needs of it."""

    def turned(self, kept: Array, along: Array) -> Array:
        """Return the second derivative of one row's loss times a direction of its scores."""


class CrossEntropy:
    """Of classes ``y [n]``; `shut` ``[n, classes]`` is -inf where a class is shut, else 0."""

    def __init__(self, y: Tensor, shut: Tensor | None) -> None:
        self.classes: list[int] = y.tolist()
        self._picked = np.arange(len(self.classes)), y.numpy()
        self._shut = None if shut is None else shut.numpy()

    def of_rows(self, scores: Array) -> tuple[float, Array]:
        """Return the mean loss and its slopes."""
        if self._shut is not None:
            scores = scores + self._shut
        given = scores - np.maximum.reduce(scores, -1, keepdims=True)
        shares = np.exp(given)
        sums = np.add.reduce(shares, -1, keepdims=True)
        picked = (slice(None), *self._picked)
        found = np.add.reduce(np.log(sums), None) - np.add.reduce(given[picked], None)
        shares /= sums
        shares[picked] -= 1
        shares /= sums.size
        return float(found) / sums.size, shares

    def of_one(self, row: int, scores: Array, slope: Array, kept: Array) -> None:
        """Write the slope, and the classes' probabilities."""
        if self._shut is not None:
            scores = scores + self._shut[row]
        shares = np.exp(scores - scores[scores.argmax()])
        np.divide(shares, np.add.reduce(shares), out=kept)
        slope[:] = kept
        slope[self.classes[row]] -= 1

    def turned(self, kept: Array, along: Array) -> Array:
        """Return p ∘ (r − p·r)."""
        found: Array = kept * (along - kept @ along)
        return found


class SquaredError:
    """Of values ``y [n, d]``: the mean over rows and entries."""

    def __init__(self, y: Tensor) -> None:
        self._y = y.numpy()

    def of_rows(self, scores: Array) -> tuple[float, Array]:
        """Return the mean loss and its slopes."""
        errors = scores - self._y
        loss = float(np.square(errors).mean())
        errors *= 2 / errors.size
        return loss, errors

    def of_one(self, row: int, scores: Array, slope: Array, kept: Array) -> None:
        """Write the slope; its derivative depends on nothing."""
        np.multiply(scores - self._y[row], 2 / len(scores), out=slope)

    def turned(self, kept: Array, along: Array) -> Array:
        """Return 2 r / d."""
        return along * (2 / len(along))


def by_hand(y: Tensor, closed: Tensor | None, like: Tensor) -> ByHand:
    """Return the loss of some rows' targets, of which `has_by_hand` says that it is known.

    Args:
        y: Classes ``[n]`` or values ``[n, d]``.
        closed: -inf where a class does not count for a row, else 0.
        like: Of the scores' type.
    """
    if y.is_floating_point():
        return SquaredError(y.detach().to(like.dtype))
    return CrossEntropy(y.long(), None if closed is None else closed.to(like.dtype))


def shut(objective: Objective, rows: Rows, classes: int) -> Tensor | None:
    """Return -inf for classes that don't count for a row, and 0 for others."""
    if objective.masked is None or rows.task is None:
        return None
    return objective.masked(torch.zeros(len(rows.x), classes), rows.task)


def has_by_hand(name: str | None, y: Tensor, outputs: int) -> bool:
    """Say whether a loss is known for targets of this kind."""
    if y.is_floating_point():
        return name in (None, "mse") and y.dim() == 2 and y.shape[1] == outputs
    return name in (None, "cross_entropy") and y.dim() == 1
