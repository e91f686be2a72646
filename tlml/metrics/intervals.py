"""Statistics for comparisons; they need no torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tlml.errors import TlmlError, check_positive

Array = NDArray[np.float64]
LEAST_UNITS = 5  # paired units; of fewer a bootstrap says nothing
_CHUNK = 1_000_000  # values drawn at a time by the bootstrap, which bounds its memory
_KEPT = 4  # sets of draws


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

    ``[units]``, such as episodes or tasks, are resampled as they are. ``[seeds, units]`` are
    crossed, for every seed meets the same units: means of seeds and means of units are resampled
    each by themselves (Owen 2007, doi:10.1214/07-AOAS122), so that the interval holds for new seeds
    and new units. Deviations of n of them are stretched by √(n / (n − 1)), without which their
    variance is too small by that squared; no end is beyond all scores. Few seeds still make it
    somewhat too narrow. It is NaN where a value is not finite.

    Args:
        values: Scores.
        rng: A generator or its seed.
        level: The share of resampled means inside.
        resamples: How many there are.
    """
    table = _table(values)
    check_positive(resamples=resamples)
    _check_level(level)
    if not np.isfinite(table).all():
        return float("nan"), float("nan")
    return _ends(_resampled_means(table, _draws(rng, table.shape, resamples)), level, table)


def drawn_interval(
    values: ArrayLike,
    blocks: int,
    rng: np.random.Generator | int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Return the interval (low, high) of scores that were resampled where they were measured.

    Args:
        values: Scores ``[seeds, units, draws]``: draw number i is the same one for all seeds.
            Seeds are resampled, too; units are not, for each was resampled inside.
        blocks: How many things were resampled inside; deviations are stretched as of so many.
        rng: A generator or its seed.
        level: The share of draws inside.
    """
    drawn = np.asarray(values, dtype=np.float64)
    if drawn.ndim != 3 or drawn.size == 0:
        raise TlmlError(f"draws: must be [seeds, units, draws]; the shape is {list(drawn.shape)}")
    _check_level(level)
    if not np.isfinite(drawn).all():
        return float("nan"), float("nan")
    by_seed = drawn.mean(axis=1)
    mean = by_seed.mean(axis=0)
    weights = _weights(len(by_seed), by_seed.shape[1], np.random.default_rng(rng))
    of_seeds = (weights.T * (by_seed - mean)).sum(axis=0)
    inside = mean.mean() + _stretch(blocks) * (mean - mean.mean())
    return _ends(inside + _stretch(len(by_seed)) * of_seeds, level, drawn)


def interquartile_mean(values: ArrayLike) -> float:
    """Return the mean of the middle half of all values (Agarwal et al. 2021); NaN if one is."""
    scores = _table(values).ravel()
    if np.isnan(scores).any():
        return float("nan")
    # As scipy's trim_mean, which takes ten times as long for a row of a report.
    low = len(scores) // 4
    high = len(scores) - low
    return float(np.partition(scores, (low, high - 1))[low:high].mean())


def paired_difference(
    a: ArrayLike,
    b: ArrayLike,
    rng: np.random.Generator | int = 0,
    level: float = 0.95,
    resamples: int = 2000,
) -> Difference:
    """Return the mean of a - b on the same units, and its `bootstrap_interval`.

    Raises:
        TlmlError: The shapes differ, so that the units cannot be the same.
    """
    first, second = _table(a), _table(b)
    if first.shape != second.shape:
        raise TlmlError(
            f"paired difference: needs the same units, the scores have shapes "
            f"{list(np.shape(a))} and {list(np.shape(b))}"
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return Difference(float("nan"), float("nan"), float("nan"))
    difference = first - second
    low, high = bootstrap_interval(difference, rng, level, resamples)
    return Difference(float(difference.mean()), low, high)


def _resampled_means(table: Array, draws: Iterable[tuple[Array, Array]]) -> Array:
    """Return the mean plus what drawn seeds, and drawn units, deviate from it on average."""
    mean = table.mean()
    deviations = table.mean(axis=1) - mean, table.mean(axis=0) - mean
    means = []
    for weights in draws:
        both = zip(weights, deviations, strict=True)
        moved = [_stretch(len(own)) * (drawn @ own) for drawn, own in both]
        means.append(mean + sum(moved))
    return np.concatenate(means)


def _draws(
    rng: np.random.Generator | int, shape: Sequence[int], resamples: int
) -> Iterable[tuple[Array, Array]]:
    """Return the weights of seeds and of units; of small tables those of a seed are kept."""
    if isinstance(rng, int) and resamples * max(shape) <= _CHUNK:
        return _seeded_draws(rng, tuple(shape), resamples)
    return _drawn(np.random.default_rng(rng), shape, resamples)


# Intervals beside each other have one shape and one seed; drawing is most of what they take.
@lru_cache(maxsize=_KEPT)
def _seeded_draws(
    seed: int, shape: tuple[int, ...], resamples: int
) -> tuple[tuple[Array, Array], ...]:
    return tuple(_drawn(np.random.default_rng(seed), shape, resamples))


def _drawn(
    rng: np.random.Generator, shape: Sequence[int], resamples: int
) -> Iterator[tuple[Array, Array]]:
    rows_at_once = max(1, _CHUNK // max(shape))
    for start in range(0, resamples, rows_at_once):
        count = min(rows_at_once, resamples - start)
        seeds, units = (_weights(number, count, rng) for number in shape)
        yield seeds, units


def _weights(number: int, draws: int, rng: np.random.Generator) -> Array:
    """Return the share ``[draws, number]`` that each has in draws of as many with replacement."""
    drawn = rng.integers(number, size=(draws, number)) + number * np.arange(draws)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=draws * number)
    return counts.reshape(draws, number) / number


def _stretch(number: int) -> float:
    return math.sqrt(number / (number - 1)) if number > 1 else 1.0


def _ends(means: Array, level: float, scores: Array) -> tuple[float, float]:
    # Stretched, an accuracy might be above 1.
    ends = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    low, high = np.clip(ends, scores.min(), scores.max())
    return float(low), float(high)


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise TlmlError(f"level: must be above 0 and below 1, is {level}")


def _table(values: ArrayLike) -> Array:
    """Return scores as ``[seeds, units]``; one seed where they are ``[units]``."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim not in (1, 2) or array.size == 0:
        raise TlmlError(
            f"scores: must be [units] or [seeds, units], and some; the shape is {list(array.shape)}"
        )
    return array.reshape(-1, array.shape[-1])
