"""PCA with a source's covariance, against NumPy's eigenvectors and scikit-learn's PCA."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from refusals import stops
from sklearn.decomposition import PCA

import tlml


def sides(n: int = 12, m: int = 40, d: int = 5, turn: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Return target ``[n, d]`` and source ``[m, d]`` that spread alike but for a turn."""
    rng = np.random.default_rng([n, m, d])
    mix = rng.normal(size=(d, d)) * 2.0 ** -np.arange(d)[:, None]
    other = mix + turn * rng.normal(size=(d, d)) * 2.0 ** -np.arange(d)[:, None]
    return rng.normal(size=(n, d)) @ other + 1, rng.normal(size=(m, d)) @ mix


def projector(components: np.ndarray) -> np.ndarray:
    return components.T @ components


@pytest.mark.parametrize("prior", [0.5, 7.0, 1000.0])
def test_its_axes_are_eigenvectors_of_the_weighted_covariance(prior: float) -> None:
    x, source = sides()
    found = tlml.strategy("transfer_pca", components=2, prior=prior).fit(x, source_x=source)
    covariance = (prior * np.cov(source.T) + 12 * np.cov(x.T)) / (prior + 12)
    values, vectors = np.linalg.eigh(covariance)
    np.testing.assert_allclose(found.explained_variance_, values[:-3:-1], rtol=1e-12)
    np.testing.assert_allclose(
        projector(found.components_), vectors[:, -2:] @ vectors[:, -2:].T, atol=1e-12
    )
    mean = (prior * source.mean(0) + 12 * x.mean(0)) / (prior + 12)
    np.testing.assert_allclose(found.mean_, mean, rtol=1e-12)
    assert found.prior_ == prior


@pytest.mark.parametrize(("prior", "side"), [(0, 0), (1e-9, 0), (1e12, 1), (math.inf, 1)])
def test_its_limits_are_scikit_learns_pca(prior: float, side: int) -> None:
    x, source = both = sides()
    found = tlml.strategy("transfer_pca", components=3, prior=prior).fit(x, source_x=source)
    expected = PCA(3).fit(both[side])
    for name in ("components_", "explained_variance_", "mean_"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-8)
    np.testing.assert_allclose(found.transform(x), expected.transform(x), atol=1e-7)
    codes = expected.transform(x)
    np.testing.assert_allclose(
        found.inverse_transform(codes), expected.inverse_transform(codes), atol=1e-7
    )


def test_reconstructions_are_transformed_there_and_back() -> None:
    x, source = sides()
    found = tlml.strategy("transfer_pca", components=2, prior=5.0).fit(x, source_x=source)
    back = found.inverse_transform(found.transform(x))
    np.testing.assert_allclose(found.reconstruct(x), back, atol=1e-12)
    share = 1 - ((x - back) ** 2).sum() / ((x - x.mean(0)) ** 2).sum()
    assert found.score(x) == pytest.approx(share, rel=1e-12)


def test_a_source_that_is_alike_helps_where_samples_are_few() -> None:
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(12, 40))
    x, source = (rng.normal(size=(300, 12)) @ mix + rng.normal(size=(300, 40)) for _ in range(2))
    x += 2 * rng.normal(size=(300, 1)) * mix[0] + 1  # what only the target has
    few, others = x[:8], x[8:]
    scores = {
        prior: tlml.strategy("transfer_pca", components=10, prior=prior)
        .fit(few, source_x=source)
        .score(others)
        for prior in (0, None, math.inf)
    }
    assert scores[None] > scores[0] + 0.1
    assert scores[None] > scores[math.inf]


def test_a_source_that_is_unlike_is_left_out() -> None:
    x, _ = sides(n=300)
    source = np.random.default_rng(0).normal(size=(50, 5)) * [0.01, 0.01, 1, 1, 1] + 50
    assert tlml.strategy("transfer_pca", components=2).fit(x, source_x=source).prior_ == 0
    assert tlml.strategy("transfer_pca", components=2).fit(x[:1], source_x=x).prior_ == math.inf


def test_less_components_are_kept_where_the_rank_is_lower() -> None:
    x, source = sides(n=3)
    found = tlml.strategy("transfer_pca", prior=0).fit(x)
    assert found.components_.shape == (2, 5)
    np.testing.assert_allclose(found.reconstruct(x), x, atol=1e-12)
    assert tlml.strategy("transfer_pca").fit(x, source_x=source).components_.shape == (5, 5)


def test_a_constant_feature_is_no_direction() -> None:
    x, source = sides()
    for side in (x, source):
        side[:, 2] = 3.0
    found = tlml.strategy("transfer_pca", prior=4.0).fit(x, source_x=source)
    assert found.components_.shape == (4, 5)
    assert np.abs(found.components_[:, 2]).max() < 1e-12
    assert np.isfinite(found.transform(x)).all()


def test_what_it_cannot_do_is_refused() -> None:
    x, source = sides()
    with stops("components: 6 is more than the 5 dimensions of the inputs"):
        tlml.strategy("transfer_pca", components=6).fit(x, source_x=source)
    with stops("transfer_pca: all inputs are equal, so that no direction is better than another"):
        tlml.strategy("transfer_pca", prior=0).fit(np.ones((4, 3)))
    with stops("transfer_pca: coordinates must be [n, 2], are [12, 5]"):
        pca = tlml.strategy("transfer_pca", components=2).fit(x, source_x=source)
        pca.inverse_transform(x)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"components": 0}, "components: must be greater than 0, is 0"),
        ({"prior": -1}, "prior: must be at least 0, is -1"),
        ({"prior": "all"}, "prior: 'all' is not one of inf"),
    ],
)
def test_options_out_of_range_are_refused(options: Any, message: str) -> None:
    with stops(message):
        tlml.strategy("transfer_pca", **options)
