"""Values to try, and the best of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tlml.errors import TlmlError

_TUNING_VALUES = 5


def choices_of(tune: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every combination of the values to try."""
    for values in itertools.product(*(candidates(tune[name]) for name in tune)):
        yield dict(zip(tune, values, strict=True))


def candidates(given: Any) -> list[Any]:
    """Return the values to try: of ``{values: [...]}`` all, of a range five."""
    if isinstance(given, dict):
        return list(given["values"])
    low, high, scale = given
    space = np.geomspace if scale == "log" else np.linspace
    return [float(value) for value in space(low, high, _TUNING_VALUES)]


class TrialResult(NamedTuple):
    """The risk of a choice: infinite where it failed, with the reason."""

    risk: float
    error: str = ""


def best_of(tried: Sequence[TrialResult]) -> int:
    """Return which choice has the least risk, among those of a finite one.

    Raises:
        TlmlError: None has.
    """
    finite = [number for number, one in enumerate(tried) if math.isfinite(one.risk)]
    if not finite:
        reasons = [one.error for one in tried if one.error]
        raise TlmlError(
            f"tune: none of the {len(tried)} choices has a finite risk, so there is nothing to "
            f"choose from; try other values{f' (one failed: {reasons[0]})' if reasons else ''}"
        )
    return min(finite, key=lambda number: tried[number].risk)
