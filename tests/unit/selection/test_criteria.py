"""Criteria without target labels, against NumPy by their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tlml import Batch
from tlml.selection import Evidence, criteria
from tlml.selection.criteria import ForwardPass


def found(seed: int = 0, classes: int = 3) -> Evidence:
    rng = torch.Generator().manual_seed(seed)

    def some(n: int, d: int) -> Tensor:
        return torch.randn(n, d, generator=rng, dtype=torch.float64)

    y = torch.randint(classes, (8,), generator=rng)
    source, target = (
        ForwardPass(some(8, 4), some(8, classes)),
        ForwardPass(some(6, 4) + 1, some(6, classes)),
    )
    return Evidence(Batch(some(8, 2), y), source, some(6, 2), target, None)


def shares(scores: Tensor) -> np.ndarray:
    powers = np.exp(scores.numpy())
    return powers / powers.sum(1, keepdims=True)


def losses(evidence: Evidence) -> np.ndarray:
    return -np.log(shares(evidence.seen_source.scores)[range(8), evidence.source.y.numpy()])


def test_the_source_risk_is_the_mean_loss() -> None:
    assert criteria.source_risk(found()) == pytest.approx(losses(found()).mean(), rel=1e-12)


def test_the_weighted_source_risk_weighs_by_the_ratio_of_densities(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weights = np.arange(1.0, 9.0)
    monkeypatch.setattr(criteria, "density_ratio", lambda source, target: weights)
    expected = np.average(losses(found()), weights=weights)
    assert criteria.weighted_source_risk(found()) == pytest.approx(expected, rel=1e-12)


def test_the_ratio_is_that_of_two_gaussians() -> None:
    rng = torch.Generator().manual_seed(0)
    source = torch.randn(4000, 1, generator=rng)
    target = torch.randn(2000, 1, generator=rng) + 1
    ratio = criteria.density_ratio(source, target)
    truth = np.exp(source[:, 0].numpy() - 0.5)  # N(1, 1) over N(0, 1)
    np.testing.assert_allclose(np.log(ratio), np.log(truth), atol=0.25)
    assert ratio.mean() == pytest.approx(1, abs=0.1)


def test_entropy() -> None:
    p = shares(found().seen_target.scores)
    assert criteria.entropy(found()) == pytest.approx(-(p * np.log(p)).sum(1).mean(), rel=1e-12)


def test_the_density_of_neighbourhoods_by_pairs() -> None:
    p = shares(found().seen_target.scores)
    p /= np.sqrt((p**2).sum(1, keepdims=True))
    entropies = []
    for i, own in enumerate(p):
        weights = np.array([np.exp(own @ other / 0.05) for j, other in enumerate(p) if j != i])
        weights /= weights.sum()
        entropies.append(-(weights * np.log(weights)).sum())
    assert criteria.neighbourhood_density(found()) == pytest.approx(-np.mean(entropies), rel=1e-10)
