"""Losses, metrics of a task, metrics of a stream of tasks, and statistics for comparisons.

Reports need the statistics only, so torch is imported where tensors come in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tlml.errors import TlmlError, check_positive, unknown

if TYPE_CHECKING:
    from gymnasium.spaces import Space
    from torch import Tensor

    from tlml.domains import Domain
    from tlml.task import Batch

Criterion = Callable[["Tensor", "Tensor"], "Tensor"]
Array = NDArray[np.float64]

LOSSES: Mapping[str, str] = MappingProxyType(
    {
        "bce": "binary_cross_entropy_with_logits",
        "cross_entropy": "cross_entropy",
        "huber": "huber_loss",
        "l1": "l1_loss",
        "mse": "mse_loss",
        "smooth_l1": "smooth_l1_loss",
    }
)
_CHUNK = 1_000_000  # values drawn at a time by the bootstrap, which bounds its memory


class Difference(NamedTuple):
    """A mean difference and its bootstrap interval."""

    mean: float
    low: float
    high: float


def loss_for(space: Space[Any], name: str | None = None) -> Criterion:
    """Return the loss ``(scores, y) -> scalar`` for targets of a space.

    Args:
        space: The targets' space.
        name: One of `LOSSES`; None follows the targets, as `criterion` does.

    Raises:
        TlmlError: An unknown name, a space that is neither Discrete nor a Box, or a loss between
            values where the targets are classes.
    """
    metric, _ = primary(space)
    if name is not None and name not in LOSSES:
        raise unknown("loss", name, LOSSES)
    if metric == "accuracy" and name not in (None, "cross_entropy"):
        raise TlmlError(f"loss {name}: compares values, the targets are {space}; use cross_entropy")
    return partial(criterion, name=name)


def criterion(scores: Tensor, y: Tensor, name: str | None = None) -> Tensor:
    """Return the mean loss: cross-entropy for integer targets, mean squared error for floats.

    Args:
        scores: ``[n, classes]`` for integers, else of the shape of `y`.
        y: Classes ``[n]``, or values (probabilities for the entropies).
        name: One of `LOSSES` instead; ``bce`` and ``cross_entropy`` take logits.

    Raises:
        TlmlError: The shapes do not fit; nothing is broadcast.
    """
    from torch.nn import functional as F

    name = name or ("mse" if y.is_floating_point() else "cross_entropy")
    if name not in LOSSES:
        raise unknown("loss", name, LOSSES)
    if name == "cross_entropy" and not y.is_floating_point():
        _check_classes(f"loss {name}", scores, y)
        return F.cross_entropy(scores, y.long())
    if scores.shape != y.shape:
        raise TlmlError(f"loss {name}: needs equal shapes{_shapes(scores, y)}")
    loss: Tensor = getattr(F, LOSSES[name])(scores, y.to(scores.dtype))
    return loss


def summed_criterion(scores: Tensor, y: Tensor, name: str | None = None) -> Tensor:
    """Return the sum over tasks of the mean loss of each.

    Args:
        scores: ``[T, n, classes]`` for integers, else of the shape of `y`.
        y: Classes ``[T, n]``, or values.
        name: As of `criterion`.

    Raises:
        TlmlError: The shapes do not fit; nothing is broadcast.
    """
    tasks = len(y)
    if not y.is_floating_point() or name == "cross_entropy":
        return tasks * criterion(scores.flatten(0, 1), y.flatten(0, 1), name)
    if name not in (None, "mse") or scores.shape != y.shape:
        return tasks * criterion(scores, y, name)
    # As F.mse_loss, which broadcasts first and so adds to the graph of each inner step.
    errors = scores - y.to(scores.dtype)
    return (errors * errors).sum() / (y.numel() / tasks)


def mean_entropy(scores: Tensor) -> Tensor:
    """Return the mean entropy of the class probabilities of scores ``[n, classes]``, in nats."""
    log_shares = scores.log_softmax(1)
    return -(log_shares.exp() * log_shares).sum(1).mean()


def primary(space: Space[Any], domain: Domain[Any] | None = None) -> tuple[str, bool]:
    """Return the name of the metric for a target space and whether higher is better.

    Args:
        space: The targets' space.
        domain: What the tasks are of: it may have a metric of its own.
    """
    from gymnasium.spaces import Box, Discrete

    if domain is not None and domain.metric is not None:
        return domain.metric
    if isinstance(space, Discrete):
        return "accuracy", True
    if isinstance(space, Box):
        return "mse", False
    raise TlmlError(f"targets must be Discrete (classes) or a Box (values), the space is {space}")


def task_metrics(space: Space[Any], scores: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Return the metrics of the predictions for one task, scalars by name.

    Args:
        space: The targets' space.
        scores: ``[n, classes]`` for Discrete, else of the shape of `y`.
        y: Classes ``[n]``, or values.
    """
    from torchmetrics.functional import mean_squared_error
    from torchmetrics.functional.classification import multiclass_accuracy

    name, _ = primary(space)
    if name == "accuracy":
        _check_classes(name, scores, y)
        # Validating the arguments would look at every value, in each episode.
        count = scores.shape[1]
        return {name: multiclass_accuracy(scores, y, count, "micro", validate_args=False)}
    if scores.shape != y.shape:
        raise TlmlError(f"{name}: needs equal shapes{_shapes(scores, y)}")
    return {name: mean_squared_error(scores.reshape(-1), y.to(scores.dtype).reshape(-1))}


def measured(
    domain: Domain[Any] | None, space: Space[Any], batch: Batch, scores: Tensor
) -> dict[str, Tensor]:
    """Return the metrics of the predictions for one task, the primary one first.

    Args:
        domain: What the task is of; its `measure` decides where it has a metric of its own.
        space: The targets' space, which decides elsewhere.
        batch: The examples that were predicted.
        scores: As of `task_metrics`.

    Raises:
        TlmlError: The domain's metric is not among those that it measures.
    """
    if domain is None or domain.metric is None:
        return task_metrics(space, scores, batch.y)
    found, name = dict(domain.measure(batch, scores)), domain.metric.name
    if name not in found:
        raise TlmlError(
            f"{type(domain).__name__}: measure() gives {', '.join(found) or 'nothing'}, and not "
            f"'{name}', which its metric says"
        )
    return {name: found.pop(name)} | found


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


def bootstrap_interval(
    values: ArrayLike,
    rng: np.random.Generator | int = 0,
    level: float = 0.95,
    resamples: int = 2000,
) -> tuple[float, float]:
    """Return the percentile bootstrap interval (low, high) of the mean.

    ``[episodes]`` are resampled as they are. ``[seeds, episodes]`` are resampled hierarchically:
    seeds with replacement, then within each drawn seed its episodes, independently, so that the
    interval holds for new seeds and new episodes. Few seeds make it too narrow. It is NaN where a
    value is not finite.

    Args:
        values: Scores.
        rng: A generator or its seed.
        level: The share of resampled means inside.
        resamples: How many there are.
    """
    table = _table(values)
    check_positive(resamples=resamples)
    if not 0 < level < 1:
        raise TlmlError(f"level: must be above 0 and below 1, is {level}")
    if not np.isfinite(table).all():
        return float("nan"), float("nan")
    means = _resampled_means(table, np.random.default_rng(rng), resamples)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def interquartile_mean(values: ArrayLike) -> float:
    """Return the mean of the middle half of all values (Agarwal et al. 2021); NaN if one is."""
    from scipy.stats import trim_mean

    table = _table(values)
    if np.isnan(table).any():
        return float("nan")
    return float(trim_mean(table, 0.25, axis=None))


def paired_difference(
    a: ArrayLike,
    b: ArrayLike,
    rng: np.random.Generator | int = 0,
    level: float = 0.95,
    resamples: int = 2000,
) -> Difference:
    """Return the mean of a - b on the same episodes, and its `bootstrap_interval`.

    Raises:
        TlmlError: The shapes differ, so that the episodes cannot be the same.
    """
    first, second = _table(a), _table(b)
    if first.shape != second.shape:
        raise TlmlError(
            f"paired difference: needs the same episodes, the scores have shapes "
            f"{list(np.shape(a))} and {list(np.shape(b))}"
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return Difference(float("nan"), float("nan"), float("nan"))
    difference = first - second
    low, high = bootstrap_interval(difference, rng, level, resamples)
    return Difference(float(difference.mean()), low, high)


def _resampled_means(table: Array, rng: np.random.Generator, resamples: int) -> Array:
    seeds, episodes = table.shape
    rows_at_once = max(1, _CHUNK // table.size)
    means = []
    for start in range(0, resamples, rows_at_once):
        count = min(rows_at_once, resamples - start)
        seed = rng.integers(seeds, size=(count, seeds, 1))
        episode = rng.integers(episodes, size=(count, seeds, episodes))
        means.append(table[seed, episode].mean(axis=(1, 2)))
    return np.concatenate(means)


def _table(values: ArrayLike) -> Array:
    """Return scores as ``[seeds, episodes]``; one seed where they are ``[episodes]``."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim not in (1, 2) or array.size == 0:
        raise TlmlError(
            f"scores: must be [episodes] or [seeds, episodes], and some; "
            f"the shape is {list(array.shape)}"
        )
    return array.reshape(-1, array.shape[-1])


def _square(matrix: ArrayLike, at_least: int = 1) -> Array:
    array = np.asarray(matrix, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] != array.shape[1] or len(array) < at_least:
        raise TlmlError(
            f"accuracies after each task: must be [T, T] with T at least {at_least}, "
            f"the shape is {list(array.shape)}"
        )
    return array


def _check_classes(name: str, scores: Tensor, y: Tensor) -> None:
    if scores.dim() != 2 or scores.shape[:1] != y.shape:
        raise TlmlError(f"{name}: needs scores [n, classes] and classes [n]{_shapes(scores, y)}")


def _shapes(scores: Tensor, y: Tensor) -> str:
    return f", scores are {list(scores.shape)} and targets {list(y.shape)}"
