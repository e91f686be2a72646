"""CKA against an independent implementation by features and by centring matrices."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import tlml
from tlml import TlmlError

Array = NDArray[np.float64]


def representations(n: int = 9, p: int = 4, q: int = 6, seed: int = 0) -> tuple[Array, Array]:
    """Return two representations that have something in common."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p)) + 2.0
    return x, x @ rng.normal(size=(p, q)) + rng.normal(size=(n, q))


def cka(x: Array, y: Array, *, debiased: bool = False) -> float:
    return tlml.linear_cka(torch.from_numpy(x), torch.from_numpy(y), debiased=debiased)


def by_gram_matrices(x: Array, y: Array) -> float:
    """Kornblith et al. 2019, equations 3 and 4: tr(K H L H), H = I − 11ᵀ / n."""
    h = np.eye(len(x)) - np.ones((len(x), len(x))) / len(x)

    def hsic(a: Array, b: Array) -> float:
        return float(np.trace(a @ a.T @ h @ b @ b.T @ h))

    return hsic(x, y) / math.sqrt(hsic(x, x) * hsic(y, y))


def by_features(x: Array, y: Array) -> float:
    """The same by covariances: ‖YᵀX‖² / (‖XᵀX‖ ‖YᵀY‖), centred."""
    x, y = x - x.mean(0), y - y.mean(0)
    sizes = np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)
    return float(np.linalg.norm(y.T @ x) ** 2 / sizes)


def by_unbiased_hsic(x: Array, y: Array) -> float:
    """Song et al. 2012, equation 5, term by term."""
    n, one = len(x), np.ones(len(x))

    def hsic(a: Array, b: Array) -> float:
        k, l = a @ a.T, b @ b.T  # noqa: E741
        np.fill_diagonal(k, 0)
        np.fill_diagonal(l, 0)
        sums = (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2))
        return float(np.trace(k @ l) + sums - 2 / (n - 2) * one @ k @ l @ one) / (n * (n - 3))

    return hsic(x, y) / math.sqrt(hsic(x, x) * hsic(y, y))


@pytest.mark.parametrize("shape", [(9, 4, 6), (5, 40, 3), (60, 2, 2)])
def test_it_equals_independent_implementations(shape: tuple[int, int, int]) -> None:
    x, y = representations(*shape)
    assert cka(x, y) == pytest.approx(by_gram_matrices(x, y), abs=1e-12)
    assert cka(x, y) == pytest.approx(by_features(x, y), abs=1e-12)
    assert cka(x, y, debiased=True) == pytest.approx(by_unbiased_hsic(x, y), abs=1e-12)
    assert 0.05 < cka(x, y) < 0.999


@pytest.mark.parametrize("debiased", [False, True])
def test_rotation_shift_and_scale_change_nothing(debiased: bool) -> None:
    x, y = representations()
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0]
    moved = -3.0 * x @ turn + 7.0
    assert cka(x, x, debiased=debiased) == pytest.approx(1.0, abs=1e-12)
    assert cka(x, moved, debiased=debiased) == pytest.approx(1.0, abs=1e-12)
    assert cka(moved, y, debiased=debiased) == pytest.approx(cka(x, y, debiased=debiased))
    assert cka(x * [1, 1, 1, 20], y, debiased=debiased) != pytest.approx(
        cka(x, y, debiased=debiased), abs=1e-3
    )


def test_unrelated_features_are_at_zero_only_where_it_is_debiased() -> None:
    rng = np.random.default_rng(2)
    pairs = [rng.normal(size=(2, 20, 200)) for _ in range(30)]
    assert np.mean([cka(x, y) for x, y in pairs]) > 0.8
    assert abs(np.mean([cka(x, y, debiased=True) for x, y in pairs])) < 0.02


def test_images_are_flattened_and_float32_is_enough() -> None:
    x, y = representations(p=12)
    images = torch.from_numpy(x).float().reshape(9, 3, 2, 2)
    assert tlml.linear_cka(images, torch.from_numpy(y)) == pytest.approx(cka(x, y), abs=1e-5)


@pytest.mark.parametrize("debiased", [False, True])
@pytest.mark.parametrize("value", [0.1, float("nan"), float("inf")])
def test_what_does_not_vary_or_is_not_finite_has_none(value: float, debiased: bool) -> None:
    x, y = representations()
    assert math.isnan(cka(x, np.full_like(y, value), debiased=debiased))


def test_too_few_or_other_examples_are_refused() -> None:
    x, y = representations()
    with pytest.raises(TlmlError, match=r"same examples .*, at least 2; there are 9 and 8"):
        cka(x, y[:8])
    with pytest.raises(TlmlError, match=r"at least 4; there are 3 and 3"):
        cka(x[:3], y[:3], debiased=True)
    with pytest.raises(TlmlError, match=r"at least 2; there are 1 and 1"):
        cka(x[:1], y[:1])
