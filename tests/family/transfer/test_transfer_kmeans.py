"""K-means with a source's centres, against its objective written out and scikit-learn's KMeans."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from refusals import stops
from scipy.optimize import minimize
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

import tlml
from tlml_transfer.unsupervised.transfer_kmeans import descend


def blobs(n: int, seed: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return samples ``[n, 2]`` of three blobs, of which the last is rare, and their blobs."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, n, p=[0.45, 0.45, 0.1])
    centres = np.array([[0.0, 0.0], [6.0, 0.0], [3.0, 6.0]])
    return centres[labels] + shift + rng.normal(size=(n, 2)), labels


def cost(x: np.ndarray, centres: np.ndarray, prior: np.ndarray, weights: np.ndarray) -> float:
    """Return the objective, sample by sample."""
    own = sum(min(((a - c) ** 2).sum() for c in centres) for a in x)
    pairs = zip(centres, prior, weights, strict=True)
    return float(own + sum(w * ((c - s) ** 2).sum() for c, s, w in pairs))


def test_each_step_lowers_the_objective_to_a_minimum() -> None:
    rng = np.random.default_rng(0)
    x, prior = rng.normal(size=(60, 2)), rng.normal(size=(4, 2)) * 2
    weights = np.array([0.5, 1.0, 2.0, 4.0])
    path = descend(x, prior, prior, weights)
    costs = [cost(x, centres, prior, weights) for centres in path]
    assert len(path) > 3
    assert all(after < before for before, after in pairwise(costs))
    found = minimize(lambda c: cost(x, c.reshape(4, 2), prior, weights), path[-1].ravel())
    assert found.fun == pytest.approx(costs[-1], rel=1e-9)


def test_a_centre_is_the_mean_of_its_samples_and_of_the_priors() -> None:
    (x, _), (source, _) = blobs(30, 1, shift=1.0), blobs(200, 0)
    found = tlml.strategy("transfer_kmeans", n_clusters=3, prior=8.0).fit(x, source_x=source)
    plain = KMeans(3, n_init=10, random_state=0).fit(source)
    for k, (centre, start) in enumerate(
        zip(found.cluster_centers_, plain.cluster_centers_, strict=True)
    ):
        own, weight = x[found.labels_ == k], 8 * (plain.labels_ == k).mean()
        expected = (own.sum(0) + weight * start) / (len(own) + weight)
        np.testing.assert_allclose(centre, expected, rtol=1e-10)


@pytest.mark.parametrize(("prior", "side"), [(0, 0), (math.inf, 1), ("inf", 1)], ids=repr)
def test_its_limits_are_scikit_learns_kmeans(prior: float, side: int) -> None:
    x, source = both = blobs(40, 1)[0], blobs(200, 0)[0]
    found = tlml.strategy("transfer_kmeans", n_clusters=3, prior=prior, seed=4)
    found.fit(x, source_x=source)
    expected = KMeans(3, n_init=10, random_state=4).fit(both[side])
    np.testing.assert_array_equal(found.cluster_centers_, expected.cluster_centers_)
    np.testing.assert_array_equal(found.predict(x), expected.predict(x))
    np.testing.assert_array_equal(found.labels_, expected.predict(x))
    np.testing.assert_allclose(found.transform(x), expected.transform(x))
    assert found.inertia_ == pytest.approx(-expected.score(x))


@pytest.mark.parametrize(("prior", "side"), [(1e-7, 0), (1e9, 1)])
def test_its_limits_are_reached_steadily(prior: float, side: int) -> None:
    x, source = both = blobs(40, 1)[0], blobs(200, 0)[0]
    found = tlml.strategy("transfer_kmeans", n_clusters=3, prior=prior).fit(x, source_x=source)
    expected = KMeans(3, n_init=10, random_state=0).fit(both[side]).cluster_centers_
    order = lambda centres: centres[np.argsort(centres[:, 0])]  # noqa: E731
    np.testing.assert_allclose(order(found.cluster_centers_), order(expected), atol=1e-6)


def test_the_better_of_both_starts_is_taken() -> None:
    rng = np.random.default_rng(0)
    corners = 10.0 * np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    x = np.repeat(corners, 10, 0) + rng.normal(size=(40, 2))
    source = x - [30.0, 0.0]  # from there, two centres share a pair of corners
    found = tlml.strategy("transfer_kmeans", n_clusters=4, prior=0.01).fit(x, source_x=source)
    starts = KMeans(4, n_init=10, random_state=0).fit(source).cluster_centers_
    weights = np.full(4, 0.0025)
    ends = cost(x, descend(x, starts, starts, weights)[-1], starts, weights)
    assert cost(x, found.cluster_centers_, starts, weights) < ends / 2
    assert sorted(np.bincount(found.labels_)) == [10, 10, 10, 10]


def test_a_source_that_is_alike_helps_where_samples_are_few() -> None:
    (x, _), (source, _), (others, truth) = blobs(6, 5), blobs(300, 0), blobs(500, 9)
    found = {
        prior: tlml.strategy("transfer_kmeans", n_clusters=3, prior=prior).fit(x, source_x=source)
        for prior in (0, None)
    }
    assert found[None].score(others) > found[0].score(others) + 0.1
    rand = {p: adjusted_rand_score(truth, one.predict(others)) for p, one in found.items()}
    assert rand[None] > rand[0] + 0.1


def test_a_source_that_is_unlike_is_left_out() -> None:
    (x, _), (source, _) = blobs(150, 1), blobs(100, 0, shift=40.0)
    assert tlml.strategy("transfer_kmeans", n_clusters=3).fit(x, source_x=source).prior_ < 2


def test_less_samples_than_clusters_are_enough_beside_a_source() -> None:
    (x, _), (source, _) = blobs(2, 1), blobs(100, 0)
    found = tlml.strategy("transfer_kmeans", n_clusters=3, prior=3.0).fit(x, source_x=source)
    assert found.cluster_centers_.shape == (3, 2)
    assert len(found.fit_predict(x, source_x=source)) == 2
    np.testing.assert_array_equal(
        found.inverse_transform(found.transform(x)), found.cluster_centers_[found.labels_]
    )


def test_what_it_cannot_do_is_refused() -> None:
    x, _ = blobs(2, 1)
    with stops("n_clusters: 3 clusters need as many different target inputs, and there are 2"):
        tlml.strategy("transfer_kmeans", n_clusters=3, prior=0).fit(x)
    with stops("n_clusters: 3 clusters need as many different source inputs, and there are 1"):
        tlml.strategy("transfer_kmeans", n_clusters=3).fit(x, source_x=np.ones((9, 2)))
    with stops("n_clusters: must be greater than 0, is 0"):
        tlml.strategy("transfer_kmeans", n_clusters=0)
