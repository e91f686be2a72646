"""Convex quadratic programs in a box, by a primal-dual interior-point method.

Mehrotra's predictor and corrector (Nocedal & Wright 2006, algorithm 16.4), which begins inside the
constraints and stays there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from tlml import TlmlError

Values = NDArray[np.float64]

_ITERATIONS = 200
_TO_THE_WALL = 0.99  # share of the way to the nearest constraint that a step goes
_JITTER = 1e-13  # of the largest diagonal entry; changes directions only, not the solution


def minimum(
    matrix: Values, linear: Values, upper: float, total: tuple[float, float], tolerance: float
) -> Values:
    """Return the x ``[n]`` that minimises ½ xᵀ matrix x − linearᵀ x inside the constraints.

    They are 0 ≤ x ≤ upper, and that Σ x lies between the two of `total`. An iteration takes O(n³);
    there are about 20.

    Args:
        matrix: Positive semi-definite, ``[n, n]``.
        linear: ``[n]``.
        upper: The bound of each entry.
        total: The bounds of the sum; there are points strictly inside.
        tolerance: By how much the value may be above the minimum, relative to it or to 1.

    Raises:
        TlmlError: It isn't reached.
    """
    count = len(linear)
    start = (total[0] / count + min(total[1] / count, upper)) / 2
    x = np.full(count, start)
    slope = matrix @ x - linear
    duals = np.maximum(np.abs(slope).max(), 1.0) * start / _slacks(x, upper, total)
    for _ in range(_ITERATIONS):
        slacks = _slacks(x, upper, total)
        slope = matrix @ x - linear
        residual = slope - _pulled(duals)
        value = (slope - linear) @ x / 2
        # f(x) − minimum is at most the gap and what the residual gains anywhere in the box.
        excess = slacks @ duals + np.abs(residual) @ np.maximum(x, upper - x)
        if excess <= tolerance * max(1.0, abs(value)):
            return x
        step, dual_step = _direction(matrix, slacks, duals, residual)
        size = _TO_THE_WALL * min(_room(slacks, _changes(step)), _room(duals, dual_step))
        x, duals = x + size * step, duals + size * dual_step
    raise TlmlError(
        f"the quadratic program isn't solved to {tolerance} after {_ITERATIONS} iterations (it is "
        f"{excess:.3g} away); raise ridge"
    )


def _direction(
    matrix: Values, slacks: Values, duals: Values, residual: Values
) -> tuple[Values, Values]:
    """Return the steps of x and of the duals (equations 16.58 and 16.67 there)."""
    ratio = duals / slacks
    count = len(residual)
    newton = matrix + (ratio[-2] + ratio[-1])
    diagonal = np.einsum("ii->i", newton)
    diagonal += ratio[:count] + ratio[count:-2] + _JITTER * diagonal.max()
    factor = cho_factor(newton, lower=True, overwrite_a=True, check_finite=False)

    def solved(aim: Values) -> tuple[Values, Values]:
        step = cho_solve(factor, _pulled(aim / slacks) - residual, check_finite=False)
        return step, (aim - duals * _changes(step)) / slacks

    step, dual_step = solved(-slacks * duals)
    moved = slacks + min(1.0, _room(slacks, _changes(step))) * _changes(step)
    turned = duals + min(1.0, _room(duals, dual_step)) * dual_step
    gap = slacks @ duals
    centre = (moved @ turned / gap) ** 3 * gap / len(slacks)
    return solved(centre - slacks * duals - _changes(step) * dual_step)


def _slacks(x: Values, upper: float, total: tuple[float, float]) -> Values:
    """Return how far x is inside of each constraint, ``[2 n + 2]``; positive inside."""
    return np.concatenate([x, upper - x, [x.sum() - total[0], total[1] - x.sum()]])


def _changes(step: Values) -> Values:
    """Return how the slacks change by a step."""
    return np.concatenate([step, -step, [step.sum(), -step.sum()]])


def _pulled(duals: Values) -> Values:
    """Return the slope that duals pull at x with: the transpose of `_changes`."""
    count = (len(duals) - 2) // 2
    found: Values = duals[:count] - duals[count:-2] + (duals[-2] - duals[-1])
    return found


def _room(values: Values, changes: Values) -> float:
    """Return the largest step, at most 1 over the share, that keeps all values positive."""
    shrinking = changes < 0
    room = np.min(-values[shrinking] / changes[shrinking], initial=1 / _TO_THE_WALL)
    return float(room)
