"""Quadratic programs in a box by exchanges, against SciPy and the interior-point method."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import lsq_linear, nnls

from tlml_transfer.weigh.active_set import few_free
from tlml_transfer.weigh.interior_point import minimum


def program(n: int, rank: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return A, b, and the quadratic program of ½‖Ax − b‖²."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(rank, n)), rng.normal(size=rank)
    return a, b, a.T @ a, a.T @ b


@pytest.mark.parametrize("seed", range(5))
def test_without_an_upper_bound_in_reach_it_is_nnls(seed: int) -> None:
    a, b, matrix, linear = program(20, 30, seed)
    found = few_free(matrix, linear, 100.0, 1e-10, 1000)
    np.testing.assert_allclose(found, nnls(a, b)[0], atol=1e-7)


@pytest.mark.parametrize("seed", range(5))
def test_entries_stop_at_both_bounds(seed: int) -> None:
    a, b, matrix, linear = program(20, 30, seed)
    upper = 0.05
    found = few_free(matrix, linear, upper, 1e-13, 1000)
    expected = lsq_linear(a, b, (0, upper), method="bvls", tol=1e-14).x
    assert found is not None
    assert (found == upper).any()
    assert (found == 0).any()
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_it_agrees_with_the_interior_on_a_kernel() -> None:
    x = np.random.default_rng(0).normal(size=(60, 2))
    kernel = np.exp(-((x[:, None] - x) ** 2).sum(2)) + 1e-8 * np.eye(60)
    linear = 60 * np.exp(-((x - 1) ** 2).sum(1))
    found = few_free(kernel, linear, 10.0, 1e-12, 1000)
    assert found is not None
    inside = minimum(kernel, linear, 10.0, (0.1, 600.0), 1e-12)
    assert found @ kernel @ found / 2 - linear @ found == pytest.approx(
        inside @ kernel @ inside / 2 - linear @ inside, rel=1e-9
    )


def test_too_many_exchanges_or_rounding_leave_it_to_others() -> None:
    _, _, matrix, linear = program(20, 30, 0)
    assert few_free(matrix, linear, 1e6, 1e-13, 3) is None
    # Two equal entries have no one answer, and their matrix has no factor.
    assert few_free(np.zeros((2, 2)), np.ones(2), 1.0, 1e-12, 100) is None
