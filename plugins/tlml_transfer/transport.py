"""Plans that carry one set of points to another at the least cost, all points weighing the same."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
from scipy.optimize import linear_sum_assignment, linprog
from scipy.sparse import eye_array, kron, vstack
from scipy.special import logsumexp

from tlml import TlmlError
from tlml.errors import DivergedError
from tlml_transfer.rows import Values

MOST_PAIRS = 200_000  # that SciPy's linear program does in a few seconds
_ABSORBED_EVERY = 20  # steps
_LARGEST = 1e100  # factor


def exact_plan(cost: Values, most: int = MOST_PAIRS) -> Values:
    """Return the plan of least cost ``[n, m]``; rows sum to 1/n, columns to 1/m.

    By POT's network simplex where it is installed; else by SciPy, as a problem of assignment where
    the sets have one size, and as a linear program where they are small.

    Args:
        cost: ``[n, m]``.
        most: Pairs n · m of sets of two sizes from above which SciPy is not asked.

    Raises:
        TlmlError: The sets are too large for that.
    """
    n, m = cost.shape
    if find_spec("ot"):
        return _by_simplex(cost)
    if n == m:
        plan = np.zeros((n, n))
        plan[linear_sum_assignment(cost)] = 1 / n
        return plan
    if n * m > most:
        raise TlmlError(
            f"optimal_transport: {n} and {m} examples are too many for SciPy's exact transport "
            f"(at most {most} pairs, or sides of one size); pip install 'tlml[ot]', or take "
            "reg above 0"
        )
    return _by_linear_program(cost)


def sinkhorn_plan(cost: Values, reg: float, tolerance: float, most: int) -> Values:
    """Return the plan that minimises cost − reg · entropy (Cuturi 2013, arXiv 1306.0895).

    The potentials f and g stay in the log domain. For some steps at a time they change by factors
    of the plan exp(f + g − cost / reg), which are then absorbed (Schmitzer 2019, arXiv 1610.06519).

    Args:
        cost: ``[n, m]``.
        reg: Weight of the entropy, above 0.
        tolerance: Largest error of the sums of the rows, as a share of 1/n, on average.
        most: Steps after which it gives up.

    Raises:
        TlmlError: It has not converged by then.
    """
    n, m = cost.shape
    g, scaled, error = np.zeros(m), -cost / reg, np.inf
    for done in range(0, most, _ABSORBED_EVERY):
        f = -np.log(n) - logsumexp(scaled + g, axis=1)
        g = -np.log(m) - logsumexp(scaled + f[:, None], axis=0)
        plan: Values = np.exp(scaled + f[:, None] + g)
        error = float(np.abs(plan.sum(1) * n - 1).mean())
        if error <= tolerance:
            return plan
        f, g = _scale(plan, f, g, min(_ABSORBED_EVERY, most - done) - 1)
    raise DivergedError(
        f"reg: the transport has not converged in {most} steps (the sums of its rows are "
        f"{error:.1e} off); raise reg, or take 0, which is exact"
    )


def _scale(plan: Values, f: Values, g: Values, steps: int) -> tuple[Values, Values]:
    """Return the potentials after some steps by factors, or less where these grow too large."""
    n, m = plan.shape
    u, v = np.ones(n), np.ones(m)
    for _ in range(steps):
        u = 1 / n / (plan @ v)
        v = 1 / m / (plan.T @ u)
        if max(u.max(), v.max(), 1 / u.min(), 1 / v.min()) > _LARGEST:
            break
    return f + np.log(u), g + np.log(v)


def _by_simplex(cost: Values) -> Values:
    import ot

    n, m = cost.shape
    weights = np.full(n, 1 / n), np.full(m, 1 / m)
    plan, log = ot.emd(*weights, cost, numItermax=10_000_000, log=True)
    if log["warning"]:
        raise TlmlError(f"optimal_transport: POT found no exact transport: {log['warning']}")
    found: Values = plan
    return found


def _by_linear_program(cost: Values) -> Values:
    n, m = cost.shape
    sums = vstack([kron(eye_array(n), np.ones((1, m))), kron(np.ones((1, n)), eye_array(m))])
    found = linprog(cost.ravel(), A_eq=sums.tocsr(), b_eq=np.repeat([1 / n, 1 / m], [n, m]))
    if found.status != 0:
        raise TlmlError(f"optimal_transport: SciPy found no exact transport: {found.message}")
    plan: Values = found.x.reshape(n, m)
    return plan
