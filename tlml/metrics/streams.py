"""Metrics of a stream of tasks; they need no torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tlml.errors import TlmlError
from tlml.metrics.intervals import Array


def retained_accuracy(matrix: ArrayLike) -> float:
    """Return RA, the mean accuracy on all tasks after the last: mean R[T-1, j].

    Riemer et al. 2019 (arXiv:1810.11910), "retained accuracy"; the ACC of GEM. Here and below
    `matrix` is R ``[T, T]``, R[t, j] the accuracy on task j after task t. Where R holds an error,
    of which less is better, so are RA and LA, and a positive BTI, BWT or FWT is harm.
    """
    return float(_square(matrix)[-1].mean())


def learning_accuracy(matrix: ArrayLike) -> float:
    """Return LA, the mean accuracy on each task just after it was learned: mean R[j, j].

    Riemer et al. 2019.
    """
    return float(np.diagonal(_square(matrix)).mean())


def average_incremental_accuracy(matrix: ArrayLike) -> float:
    """Return AIA, the mean over t of the mean accuracy on the tasks so far: mean R[t, 0..t].

    iCaRL (Rebuffi et al. 2017, arXiv:1611.07725), section 4, "average incremental accuracy". It
    counts what was known on the way, which RA does not.
    """
    table = _square(matrix)
    return float(np.mean([row[: task + 1].mean() for task, row in enumerate(table)]))


def backward_transfer_and_interference(matrix: ArrayLike) -> float:
    """Return BTI, mean over all T tasks of R[T-1, j] - R[j, j]: RA - LA.

    Riemer et al. 2019; 0 for the last task, which counts.
    """
    return retained_accuracy(matrix) - learning_accuracy(matrix)


def backward_transfer(matrix: ArrayLike) -> float:
    """Return BWT, the sum of R[T-1, j] - R[j, j] over the tasks, divided by T - 1.

    GEM (Lopez-Paz & Ranzato 2017, arXiv:1706.08840), equation 3.
    """
    tasks = len(_square(matrix, at_least=2))
    return backward_transfer_and_interference(matrix) * tasks / (tasks - 1)


def forward_transfer(matrix: ArrayLike, before: ArrayLike) -> float:
    """Return FWT, mean over j > 0 of R[j-1, j] - before[j] (GEM, equation 4).

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


def forgetting(matrix: ArrayLike, *, higher_is_better: bool = True) -> float:
    """Return the mean over j < T - 1 of what was lost of the best: max_t R[t, j] - R[T-1, j].

    The maximum is over t < T - 1 (Chaudhry et al. 2018, arXiv:1801.10112, section 3), so it is
    negative where the last task helped the others. Rows that were not measured (NaN) don't count.

    Args:
        matrix: R.
        higher_is_better: Whether R holds accuracies. Of errors the best is the least, and
            R[T-1, j] - min_t R[t, j] is lost: what is forgotten is above 0 for both.
    """
    table = _square(matrix, at_least=2) * (1 if higher_is_better else -1)
    best = np.fmax.reduce(table[:-1, :-1], axis=0)
    return float((best - table[-1, :-1]).mean())


def _square(matrix: ArrayLike, at_least: int = 1) -> Array:
    array = np.asarray(matrix, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] != array.shape[1] or len(array) < at_least:
        raise TlmlError(
            f"accuracies after each task: must be [T, T] with T at least {at_least}, "
            f"the shape is {list(array.shape)}"
        )
    return array
