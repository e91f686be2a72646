"""Convex quadratic programs in a box, by a primal-dual interior-point method.

Mehrotra's predictor and corrector (Nocedal & Wright 2006, algorithm 16.4), which begins inside the
constraints and stays there.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from tlml.errors import DivergedError
from tlml_transfer.rows import Values

_ITERATIONS = 100
_LOST = 1e3  # times the best excess: rounding has taken over
_TO_THE_WALL = 0.99  # share of the way to the nearest constraint that a step goes
_JITTER = 1e-13  # of the diagonal; changes directions only, not the solution


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
        tolerance: By how much the value may be above the minimum, relative to it or to 1; a
            thousand times that where rounding allows no better.

    Raises:
        TlmlError: Rounding allows less.
    """
    count = len(linear)
    start = (total[0] / count + min(total[1] / count, upper)) / 2
    x = np.full(count, start)
    slope = matrix @ x - linear
    slacks = np.concatenate([x, upper - x, [x.sum() - total[0], total[1] - x.sum()]])
    duals = np.maximum(np.abs(slope).max(), 1.0) * start / slacks
    best, found = np.inf, x
    for _ in range(_ITERATIONS):
        slope = matrix @ x - linear
        residual = slope - _pull(duals)
        # f(x) − minimum is at most the gap and what the residual gains anywhere in the box.
        excess = slacks @ duals + np.abs(residual) @ np.maximum(x, upper - x)
        excess /= max(1.0, abs((slope - linear) @ x / 2))
        if excess < best:
            best, found = excess, x
        if best <= tolerance or excess > _LOST * best:
            break
        try:
            step, changes, dual_step = _direction(matrix, slacks, duals, residual)
        except LinAlgError:
            break
        size = _TO_THE_WALL * min(_room(slacks, changes), _room(duals, dual_step))
        # Slacks go on by themselves: found from x, those near 0 would be rounding alone.
        x, slacks, duals = x + size * step, slacks + size * changes, duals + size * dual_step
    if best > _LOST * tolerance:
        raise DivergedError(
            f"ridge: the quadratic program is solved to {best:.1g} of its value only, by rounding; "
            "raise ridge, which is added to the kernel's diagonal"
        )
    inside: Values = np.clip(found, 0, upper)
    return inside


def _direction(
    matrix: Values, slacks: Values, duals: Values, residual: Values
) -> tuple[Values, Values, Values]:
    """Return the steps of x, of the slacks and of the duals (equations 16.58 and 16.67 there)."""
    ratio, count = duals / slacks, len(residual)
    newton = matrix.copy()
    diagonal = np.einsum("ii->i", newton)
    diagonal += ratio[:count] + ratio[count:-2]
    diagonal *= 1 + _JITTER
    factor = cho_factor(newton, lower=True, overwrite_a=True, check_finite=False)
    # The sum's bounds add a constant to all entries; Sherman & Morrison's formula keeps it out.
    ones = cho_solve(factor, np.ones(count), check_finite=False)
    stiff = ratio[-2] + ratio[-1]

    def solved(aim: Values) -> tuple[Values, Values, Values]:
        free = cho_solve(factor, _pull(aim / slacks) - residual, check_finite=False)
        total = free.sum() / (1 + stiff * ones.sum())
        step = free - stiff * total * ones
        changes = np.concatenate([step, -step, [total, -total]])
        return step, changes, (aim - duals * changes) / slacks

    _, changes, dual_step = solved(-slacks * duals)
    moved = slacks + min(1.0, _room(slacks, changes)) * changes
    turned = duals + min(1.0, _room(duals, dual_step)) * dual_step
    gap = slacks @ duals
    centre = (moved @ turned / gap) ** 3 * gap / len(slacks)
    return solved(centre - slacks * duals - changes * dual_step)


def _pull(duals: Values) -> Values:
    """Return the slope that the duals of x, upper − x and the sum's bounds pull at x with."""
    count = (len(duals) - 2) // 2
    found: Values = duals[:count] - duals[count:-2] + (duals[-2] - duals[-1])
    return found


def _room(values: Values, changes: Values) -> float:
    """Return the largest step, at most 1 over the share, that keeps all values positive."""
    shrinking = changes < 0
    room = np.min(-values[shrinking] / changes[shrinking], initial=1 / _TO_THE_WALL)
    return float(room)
