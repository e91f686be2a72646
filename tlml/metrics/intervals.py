"""Statistics for comparisons; they need no torch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tlml.errors import TlmlError, check_positive

Array = NDArray[np.float64]
_CHUNK = 1_000_000  # values drawn at a time by the bootstrap, which bounds its memory


class Difference(NamedTuple):
    """A mean difference and its bootstrap interval."""

    mean: float
    low: float
    high: float


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
