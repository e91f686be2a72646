"""Convex quadratic programs in a box, by a primal active-set method.

Lawson & Hanson 1974 (Solving Least Squares Problems, chapter 23), with a bound on both sides: quick
where few entries are free in the end, as weights that are mostly 0.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from tlml_transfer.rows import Values

_LOW, _FREE, _HIGH = -1, 0, 1  # where an entry is


def few_free(
    matrix: Values, linear: Values, upper: float, tolerance: float, pivots: int
) -> Values | None:
    """Return the x ``[n]`` that minimises ½ xᵀ matrix x − linearᵀ x over 0 ≤ x ≤ upper.

    An exchange takes O(n · free + free³). None where it takes more than `pivots` of them, or
    rounding stops it.

    Args:
        matrix: Positive semi-definite, ``[n, n]``.
        linear: ``[n]``.
        upper: The bound of each entry.
        tolerance: By how much the value may be above the minimum, relative to it or to 1.
        pivots: The most exchanges between free and bound entries.
    """
    x, place = np.zeros(len(linear)), np.full(len(linear), _LOW)
    slope = -linear
    while pivots > 0:
        # No other x in the box gains more than slope · (x − other).
        excess = float(np.where(slope > 0, slope * x, slope * (x - upper)).sum())
        if excess <= tolerance * max(1.0, abs(float((slope - linear) @ x) / 2)):
            return x
        gain = -slope * np.sign(np.where(place == _FREE, 0, -place))
        best = int(gain.argmax())
        if not gain[best] > 0:
            return None
        place[best] = _FREE
        try:
            pivots -= _descend(matrix, linear, upper, x, place)
        except LinAlgError:
            return None
        there = x > 0
        slope = matrix[:, there] @ x[there] - linear
    return None


def _descend(matrix: Values, linear: Values, upper: float, x: Values, place: Values) -> int:
    """Move the free entries to where they are best, and bind those that a bound stops.

    Changes `x` and `place`, and returns how many steps it took.
    """
    steps = 0
    while (free := np.flatnonzero(place == _FREE)).size:
        steps += 1
        aim = linear[free] - matrix[np.ix_(free, place == _HIGH)].sum(1) * upper
        factor = cho_factor(matrix[np.ix_(free, free)], lower=True, check_finite=False)
        there = cho_solve(factor, aim, check_finite=False)
        bound = there.clip(0, upper)
        stopped = bound != there
        rooms = (bound - x[free])[stopped] / (there - x[free])[stopped]
        room = rooms.min(initial=1.0)
        x[free] += room * (there - x[free])
        if not stopped.any():
            break
        hit = np.flatnonzero(stopped)[rooms <= room]
        x[free[hit]] = bound[hit]
        place[free[hit]] = np.where(bound[hit] > 0, _HIGH, _LOW)
    return steps
