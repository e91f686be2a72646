"""Transport plans against brute force, a linear program, and Sinkhorn's steps as they stand."""

from __future__ import annotations

import itertools
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from refusals import stops
from scipy.optimize import linprog

import tlml
from tlml_transfer import transport
from tlml_transfer.transport import exact_plan, sinkhorn_plan

Values = NDArray[np.float64]


def costs(n: int, m: int, seed: int = 0) -> Values:
    rng = np.random.default_rng(seed)
    return ((rng.normal(size=(n, 1, 2)) - rng.normal(size=(1, m, 2)) - 1) ** 2).sum(2)


def least_cost(cost: Values) -> float:
    """Return the optimum of the dual: the largest Σf/n + Σg/m with f + g ≤ cost."""
    n, m = cost.shape
    pairs = np.zeros((n * m, n + m))
    for row, (i, j) in enumerate(itertools.product(range(n), range(m))):
        pairs[row, [i, n + j]] = 1
    weights = np.repeat([1 / n, 1 / m], [n, m])
    found = linprog(-weights, A_ub=pairs, b_ub=cost.ravel(), bounds=(None, None))
    return -float(found.fun)


def check_sums(plan: Values, rtol: float = 1e-9) -> None:
    n, m = plan.shape
    np.testing.assert_allclose(plan.sum(0), 1 / m, rtol=rtol)
    np.testing.assert_allclose(plan.sum(1), 1 / n, rtol=rtol)


@pytest.fixture
def without_pot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "find_spec", lambda name: None)


def test_equal_sizes_are_assigned_as_the_best_permutation() -> None:
    cost = costs(5, 5)
    best = min(cost[range(5), list(order)].mean() for order in itertools.permutations(range(5)))
    plan = exact_plan(cost)
    check_sums(plan)
    assert (plan * cost).sum() == pytest.approx(best, rel=1e-12)
    assert (plan * cost).sum() == pytest.approx(least_cost(cost), rel=1e-9)


@pytest.mark.usefixtures("without_pot")
@pytest.mark.parametrize(("n", "m"), [(4, 7), (9, 3)])
def test_other_sizes_have_the_cost_of_the_dual(n: int, m: int) -> None:
    cost = costs(n, m)
    plan = exact_plan(cost)
    check_sums(plan)
    assert (plan * cost).sum() == pytest.approx(least_cost(cost), rel=1e-9)


@pytest.mark.usefixtures("without_pot")
def test_too_many_pairs_are_refused_before_long_work() -> None:
    with stops(
        "optimal_transport: 500 and 450 examples are too many for SciPy's exact transport (at most "
        "200000 pairs, or sides of one size); pip install 'tlml[ot]', or take reg above 0"
    ):
        exact_plan(costs(500, 450))
    assert exact_plan(costs(500, 500)).shape == (500, 500)


def test_pot_solves_other_sizes_where_it_is_installed() -> None:
    pytest.importorskip("ot")
    cost = costs(30, 20)
    plan = exact_plan(cost)
    check_sums(plan)
    assert (plan * cost).sum() == pytest.approx(least_cost(cost), rel=1e-9)
    assert exact_plan(costs(500, 450)).shape == (500, 450)


def test_what_pot_is_asked_and_when_it_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def emd(a: Values, b: Values, cost: Values, **options: Any) -> tuple[Values, dict[str, Any]]:
        asked.append((a, b))
        return np.outer(a, b), {"warning": "not optimal" if len(asked) > 1 else None}

    monkeypatch.setitem(sys.modules, "ot", SimpleNamespace(emd=emd))
    monkeypatch.setattr(transport, "find_spec", lambda name: name == "ot")
    check_sums(exact_plan(costs(2, 4)))
    np.testing.assert_array_equal(asked[0][0], [0.5] * 2)
    np.testing.assert_array_equal(asked[0][1], [0.25] * 4)
    with stops("optimal_transport: POT found no exact transport: not optimal"):
        exact_plan(costs(2, 4))


def scaled_directly(cost: Values, reg: float, steps: int = 20_000) -> Values:
    """Return Sinkhorn's plan by his steps on exp(−cost / reg) itself."""
    kernel = np.exp(-cost / reg)
    v = np.ones(cost.shape[1])
    for _ in range(steps):
        u = 1 / cost.shape[0] / (kernel @ v)
        v = 1 / cost.shape[1] / (kernel.T @ u)
    return u[:, None] * kernel * v


@pytest.mark.parametrize("reg", [0.1, 1.0])
def test_sinkhorn_is_what_his_steps_come_to(reg: float) -> None:
    cost = costs(12, 9)
    plan = sinkhorn_plan(cost, reg, tolerance=1e-12, most=50_000)
    check_sums(plan, rtol=1e-9)
    np.testing.assert_allclose(plan, scaled_directly(cost, reg), rtol=1e-8, atol=1e-15)


def test_sinkhorn_nears_the_exact_transport_where_his_steps_fail() -> None:
    cost = 100 * costs(8, 8) + 1000
    with np.errstate(all="ignore"):
        assert not np.isfinite(scaled_directly(cost, 1.0, steps=10)).all()
    plan = sinkhorn_plan(cost, 1.0, tolerance=1e-4, most=100_000)
    check_sums(plan, rtol=1e-3)
    assert (plan * cost).sum() == pytest.approx(least_cost(cost), rel=1e-3)


def test_a_transport_that_has_not_converged_is_refused() -> None:
    with stops("reg: the transport has not converged in 30 steps (the sums of its rows are "):
        sinkhorn_plan(costs(8, 8), 0.001, tolerance=1e-12, most=30)


@pytest.mark.parametrize("reg", [0.0, 0.2])
def test_each_source_input_goes_to_the_mean_of_where_it_is_carried(reg: float) -> None:
    rng = np.random.default_rng(1)
    source, target = rng.normal(size=(6, 2)), rng.normal(size=(6, 2)) + 4
    cost = ((source[:, None] - target[None]) ** 2).sum(2)
    if reg:
        plan = scaled_directly(cost, reg * cost.mean())
    else:
        order = min(itertools.permutations(range(6)), key=lambda o: cost[range(6), list(o)].sum())
        plan = np.eye(6)[list(order)] / 6
    found, same = tlml.strategy("optimal_transport", reg=reg, tolerance=1e-12).fit_transform(
        source, target
    )
    np.testing.assert_allclose(found, 6 * plan @ target, rtol=1e-9)
    np.testing.assert_array_equal(same, target)
