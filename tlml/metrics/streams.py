"""Metrics of a stream of tasks; they need no torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tlml.errors import TlmlError
from tlml.metrics.intervals import Array


def retained_accuracy(matrix: ArrayLike) -> float:
    """Return RA, the mean accuracy on all tasks after the last.

    Here and below `matrix` is R ``[T, T]``, R[t, j] the accuracy on task j after task t.
    """
    return float(_square(matrix)[-1].mean())


def learning_accuracy(matrix: ArrayLike) -> float:
    """Return LA, the mean accuracy on each task just after it was learned: mean R[j, j]."""
    return float(np.diagonal(_square(matrix)).mean())


def backward_transfer_and_interference(matrix: ArrayLike) -> float:
    """Return BTI, mean over all T tasks of R[T-1, j] - R[j, j] (Riemer et al. 2019)."""
    return retained_accuracy(matrix) - learning_accuracy(matrix)


def backward_transfer(matrix: ArrayLike) -> float:
    """Return BWT, the same sum divided by T - 1 (GEM, Lopez-Paz & Ranzato 2017)."""
    tasks = len(_square(matrix, at_least=2))
    return backward_transfer_and_interference(matrix) * tasks / (tasks - 1)


def forward_transfer(matrix: ArrayLike, before: ArrayLike) -> float:
    """Return FWT, mean over j > 0 of R[j-1, j] - before[j] (GEM).

    Args:
        matrix: R.
        before: The accuracies ``[T]`` on all tasks before training.
    """
    table, first = _square(matrix, at_least=2), np.asarray(before, dtype=np.float64)
    if first.shape != table.shape[:1]:
        raise TlmlError(
            f"forward transfer: needs {len(table)} accuracies before training, "
            f"their shape is {list(first.shape)}"
        )
    return float((np.diagonal(table, offset=1) - first[1:]).mean())


def _square(matrix: ArrayLike, at_least: int = 1) -> Array:
    array = np.asarray(matrix, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] != array.shape[1] or len(array) < at_least:
        raise TlmlError(
            f"accuracies after each task: must be [T, T] with T at least {at_least}, "
            f"the shape is {list(array.shape)}"
        )
    return array
