"""What generated tasks are drawn from: ranges, and a generator for each split."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tlml.data import SPLITS, Split
from tlml.errors import TlmlError, check_choice

Range = tuple[float, float]


def checked_range(option: str, bounds: Sequence[float]) -> Range:
    """Return the two bounds of an option.

    Raises:
        TlmlError: They are not two finite numbers in order.
    """
    try:
        low, high = (float(bound) for bound in bounds)
    except (TypeError, ValueError):
        low, high = math.nan, math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise TlmlError(f"{option}: must be two finite numbers, the lower first, is {bounds}")
    return low, high


def positive_range(option: str, bounds: Sequence[float]) -> Range:
    """Return the two bounds of an option that must be above zero."""
    low, high = checked_range(option, bounds)
    if low <= 0:
        raise TlmlError(f"{option}: must be above 0, starts at {low}")
    return low, high


def within(bounds: Range, share: float) -> float:
    """Return the value that lies a share of the way from the lower bound to the upper."""
    low, high = bounds
    return float(low + (high - low) * share)


def split_rng(split: Split, rng: np.random.Generator) -> np.random.Generator:
    """Return the generator of a split's draw, a function of `split` and `rng` only.

    Equally seeded generators give different ones for different splits, so that splits share no
    task.
    """
    check_choice("split", split, SPLITS)
    keys = rng.integers(2**63, size=len(SPLITS))
    return np.random.default_rng(int(keys[SPLITS.index(split)]))
