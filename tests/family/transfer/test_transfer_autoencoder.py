"""An autoencoder drawn to the source's weights, against PCA and its minimum written out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from refusals import stops
from sklearn.decomposition import PCA

import tlml


def curve(n: int, seed: int, bend: float = 1.0) -> np.ndarray:
    """Return points ``[n, 3]`` near a bent line."""
    rng = np.random.default_rng(seed)
    t = rng.uniform(-1, 1, n)
    points = np.stack([t, bend * t**2, np.sin(2 * t)], 1)
    return points + 0.03 * rng.normal(size=(n, 3))


def autoencoder(**options: Any) -> Any:
    return tlml.strategy("transfer_autoencoder", **{"components": 1, "hidden": [8]} | options)


def test_without_hidden_layers_it_finds_the_principal_subspace() -> None:
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    x = 1 + rng.normal(size=(50, 4)) @ np.diag([2.0, 1.0, 0.2, 0.1]) @ turn
    found = autoencoder(components=2, hidden=[], prior=0, iterations=800, lr=0.05).fit(x)
    pca = PCA(2).fit(x)
    expected = pca.inverse_transform(pca.transform(x))
    np.testing.assert_allclose(found.reconstruct(x), expected, atol=0.01)
    spread = np.linalg.svd(found.weights_["decoder.0.weight"].numpy())[0][:, :2]
    np.testing.assert_allclose(spread @ spread.T, pca.components_.T @ pca.components_, atol=1e-3)


def test_it_bends_where_pca_does_not() -> None:
    x = curve(200, 0)
    found = autoencoder(prior=0, iterations=400, lr=0.01).fit(x)
    pca = PCA(1).fit(x)
    missed = ((x - pca.inverse_transform(pca.transform(x))) ** 2).sum()
    assert 1 - found.score(x) < missed / ((x - x.mean(0)) ** 2).sum() / 3
    np.testing.assert_allclose(found.inverse_transform(found.transform(x)), found.reconstruct(x))


def weights(found: Any) -> np.ndarray:
    return torch.cat([value.flatten() for value in found.weights_.values()]).numpy()


def test_the_prior_pulls_to_the_sources_weights() -> None:
    x, source = curve(10, 1, bend=-1.0), curve(100, 0)
    found = [
        weights(autoencoder(prior=p, iterations=100, lr=0.01).fit(x, source_x=source))
        for p in (0.01, 1.0, 100.0, math.inf)
    ]
    apart = [float(np.linalg.norm(each - found[-1])) for each in found]
    assert apart == sorted(apart, reverse=True)
    assert apart[-2] < apart[0] / 10


def test_with_a_pull_it_ends_where_the_slope_of_error_and_pull_is_zero() -> None:
    x, source = curve(10, 1, bend=0.5), curve(100, 0)
    options = {"iterations": 500, "lr": 0.003, "prior": 5.0}
    found = autoencoder(**options).fit(x, source_x=source)
    anchor = autoencoder(**options | {"prior": math.inf}).fit(x, source_x=source).weights_

    def slope(weights: dict[str, torch.Tensor]) -> float:
        at = {name: value.clone().requires_grad_() for name, value in weights.items()}
        z = torch.from_numpy(x)
        for side in ("encoder", "decoder"):
            z = torch.tanh(z @ at[f"{side}.0.weight"].T + at[f"{side}.0.bias"])
            z = z @ at[f"{side}.2.weight"].T + at[f"{side}.2.bias"]
        loss = ((z - torch.from_numpy(x)) ** 2).sum() / 10
        loss = loss + sum(0.5 * ((at[name] - anchor[name]) ** 2).sum() for name in at)
        return float(torch.stack([g.norm() for g in torch.autograd.grad(loss, at.values())]).max())

    assert slope(found.weights_) < slope(anchor) / 1000


def test_a_source_that_is_alike_helps_where_samples_are_few() -> None:
    x, source, others = curve(4, 1, bend=1.2), curve(200, 0), curve(300, 2, bend=1.2)
    missed = {
        prior: 1 - autoencoder(prior=prior, lr=0.01).fit(x, source_x=source).score(others)
        for prior in (0, 10.0, math.inf)
    }
    assert missed[10.0] < missed[0] / 2
    assert missed[10.0] < missed[math.inf]


def test_the_prior_is_chosen_by_what_is_held_out() -> None:
    x, source = curve(12, 1, bend=1.0), curve(100, 0)
    options = {"iterations": 40, "lr": 0.01}
    assert autoencoder(**options).fit(x, source_x=source).prior_ > 0
    assert autoencoder(**options).fit(curve(60, 1), source_x=source + 5).prior_ < math.inf


def test_it_is_the_same_again_and_draws_from_no_global_state() -> None:
    x, source = curve(80, 1), curve(100, 0)  # more than a batch

    def trained(seed: int) -> np.ndarray:
        return weights(autoencoder(prior=3.0, iterations=20, seed=seed).fit(x, source_x=source))

    before = torch.random.get_rng_state()
    first = trained(0)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(3)
    np.testing.assert_array_equal(trained(0), first)
    assert not np.allclose(trained(1), first)


def test_it_learns_in_inference_mode_too() -> None:
    x, source = curve(8, 1), curve(20, 0)
    plain = weights(autoencoder(prior=3.0, iterations=9).fit(x, source_x=source))
    with torch.inference_mode():
        inside = autoencoder(prior=3.0, iterations=9).fit(x, source_x=source)
    np.testing.assert_array_equal(weights(inside), plain)


def test_constant_inputs_are_told_again() -> None:
    x = np.ones((5, 3))
    found = autoencoder(prior=1.0, iterations=200, lr=0.01).fit(x, source_x=x)
    np.testing.assert_allclose(found.reconstruct(x), x, atol=1e-2)


def test_what_it_cannot_do_is_refused() -> None:
    x, source = curve(8, 1), curve(20, 0)
    with stops("components: 4 is more than the 3 dimensions of the inputs"):
        autoencoder(components=4).fit(x, source_x=source)
    with stops(
        "lr: training transfer_autoencoder diverged at a rate of 1e+200; lower it, or scale"
    ):
        autoencoder(lr=1e200, iterations=5).fit(x, source_x=source)
    with stops("transfer_autoencoder: codes must be [n, 1], are [8, 3]"):
        autoencoder(iterations=1, prior=1).fit(x, source_x=source).inverse_transform(x)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"components": 0}, "components: must be greater than 0, is 0"),
        ({"hidden": [4, 0]}, "hidden: must be greater than 0, is 0"),
        ({"iterations": 0}, "iterations: must be greater than 0, is 0"),
        ({"lr": 0.0}, "lr: must be greater than 0, is 0.0"),
    ],
)
def test_options_out_of_range_are_refused(options: Any, message: str) -> None:
    with stops(message):
        autoencoder(**options)
