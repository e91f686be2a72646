"""Distances between features, against NumPy in float64, and their part in training."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from refusals import stops
from tiny import Moved, Tables
from torch import Tensor
from trainers import quiet_trainer

import tlml
from tlml.registry import default_registry


def features(n: int = 7, m: int = 5, d: int = 3) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(n)
    mix = torch.randn(d, d, generator=rng, dtype=torch.float64)
    source = torch.randn(n, d, generator=rng, dtype=torch.float64)
    return source, torch.randn(m, d, generator=rng, dtype=torch.float64) @ mix + 1


@pytest.mark.parametrize("name", ["coral", "mmd"])
def test_it_goes_with_learners_that_hand_it_features(name: str) -> None:
    registry = default_registry()
    assert registry.partners("strategy", name)["learner"] == ["supervised"]
    assert registry.judge("digits", "supervised", name).lacks == ()


def test_coral_is_the_distance_of_covariances() -> None:
    source, target = features()
    found = tlml.strategy("coral").penalty(source, target)
    difference = np.cov(source.numpy().T) - np.cov(target.numpy().T)
    np.testing.assert_allclose(found.item(), (difference**2).sum() / 36, rtol=1e-12)


def test_corals_gradient_is_the_papers() -> None:
    sides = [side.requires_grad_() for side in features()]
    slopes = torch.autograd.grad(tlml.strategy("coral").penalty(*sides), sides)
    own = [side.detach().numpy() for side in sides]
    difference = np.cov(own[0].T) - np.cov(own[1].T)
    for sign, slope, side in zip((1, -1), slopes, own, strict=True):
        centred = side - side.mean(0)  # equations 4 and 5
        expected = sign * centred @ difference / (9 * (len(side) - 1))
        np.testing.assert_allclose(slope.numpy(), expected, rtol=1e-10, atol=1e-15)


def by_pairs(x: np.ndarray, y: np.ndarray, bandwidths: Any, unbiased: bool) -> float:
    """Return the discrepancy by its definition, pair by pair."""
    both = np.concatenate([x, y])
    squared = [((a - b) ** 2).sum() for a, b in itertools.combinations(both, 2)]
    median = sorted(squared)[(len(squared) - 1) // 2]  # the lower one, as torch takes it

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        scaled = ((a - b) ** 2).sum() / median
        return float(np.mean([np.exp(-scaled / width) for width in bandwidths]))

    def within(side: np.ndarray) -> float:
        n = len(side)
        total = sum(
            kernel(side[i], side[j]) for i in range(n) for j in range(n) if i != j or not unbiased
        )
        return total / (n * (n - 1) if unbiased else n * n)

    across = np.mean([kernel(a, b) for a in x for b in y])
    return float(within(x) + within(y) - 2 * across)


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("bandwidths", [(1.0,), (0.5, 1.0, 3.0)])
def test_mmd_is_its_definition_pair_by_pair(bandwidths: tuple[float, ...], unbiased: bool) -> None:
    source, target = features()
    found = tlml.strategy("mmd", bandwidths=bandwidths, unbiased=unbiased).penalty(source, target)
    expected = by_pairs(source.numpy(), target.numpy(), bandwidths, unbiased)
    np.testing.assert_allclose(found.item(), expected, rtol=1e-10)


def test_mmds_gradient_is_that_of_finite_differences_at_a_fixed_scale() -> None:
    source, target = features()
    strategy = tlml.strategy("mmd", bandwidths=[1.0])
    source.requires_grad_()
    (slope,) = torch.autograd.grad(strategy.penalty(source, target), source)
    both = torch.cat([source, target]).detach()
    pairs = torch.tensor([float(((a - b) ** 2).sum()) for a, b in itertools.combinations(both, 2)])
    median = float(pairs.double().median())

    def fixed(x: Tensor) -> Tensor:
        def k(a: Tensor, b: Tensor) -> Tensor:
            return (-(a[:, None] - b[None]).square().sum(2) / median).exp().mean()

        return k(x, x) + k(target, target) - 2 * k(x, target)

    step = torch.randn(source.shape, generator=torch.Generator().manual_seed(3)).double()
    ahead, behind = (fixed(source.detach() + sign * 1e-5 * step) for sign in (1, -1))
    torch.testing.assert_close((slope * step).sum(), (ahead - behind) / 2e-5, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["coral", "mmd"])
def test_equal_features_have_no_distance(name: str) -> None:
    source, _ = features()
    assert tlml.strategy(name).penalty(source, source.flip(0)).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", ["coral", "mmd"])
def test_features_that_do_not_fit_are_refused(name: str) -> None:
    source, target = features()
    penalty = tlml.strategy(name).penalty
    with stops(
        f"{name}: target features must be [n, d] with n of at least 2, are [1, 3]; take a "
        "batch_size of at least 2"
    ):
        penalty(source, target[:1])
    with stops(f"{name}: source features have 3 dimensions, target features 2"):
        penalty(source, target[:, :2])


def test_constant_features_have_no_scale() -> None:
    with stops("mmd: more than half of the features are equal, so that they have no scale"):
        tlml.strategy("mmd").penalty(torch.ones(4, 2), torch.ones(3, 2))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("coral", {"weight": -1}, "weight: must be at least 0, is -1"),
        ("mmd", {"bandwidths": []}, "bandwidths: must not be empty"),
        ("mmd", {"bandwidths": [1.0, 0.0]}, "bandwidths: must be greater than 0, is 0.0"),
    ],
)
def test_options_out_of_range_are_refused(name: str, options: Any, message: str) -> None:
    with stops(message):
        tlml.strategy(name, **options)


class Losses(pl.Callback):
    """Notes the losses of each step."""

    def __init__(self) -> None:
        self.seen: list[dict[str, float]] = []

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self.seen.append({name: float(v) for name, v in trainer.callback_metrics.items()})


def trained(strategy: str, **options: Any) -> tuple[Any, list[dict[str, float]]]:
    learner = tlml.learner(
        "supervised", network="mlp", network_options={"hidden": [8]}, lr=0.01,
        strategy=tlml.strategy(strategy, **options),
    )  # fmt: skip
    domain = Moved(train=40, test=20)
    view = learner.view(domain, batch_size=16, unlabelled=True, queries=2)
    losses = Losses()
    quiet_trainer(max_epochs=15, limit_val_batches=0, callbacks=[losses]).fit(learner, view)
    with torch.no_grad():
        sides = view.source_examples().x, view.unlabelled_examples()
        found = [learner.built().features(side) for side in sides]
    return tlml.strategy(strategy).penalty(*found), losses.seen


@pytest.mark.parametrize("name", ["coral", "mmd"])
def test_training_with_it_brings_the_features_together(name: str) -> None:
    apart, _ = trained(name, weight=0.0)
    near, losses = trained(name, weight=30.0)
    assert near < apart / 2
    assert f"train_{name}_loss" in losses[-1]


@pytest.mark.parametrize("name", ["coral", "mmd"])
def test_without_target_examples_there_is_nothing_to_align_to(name: str) -> None:
    learner = tlml.learner("supervised", network="mlp", strategy=tlml.strategy(name))
    view = learner.view(Tables(classes=3), batch_size=8)
    with stops(
        f"unlabelled: {name.title()} compares source and target, and the view has no target "
        "examples; set unlabelled=True (or shots above 0)"
    ):
        quiet_trainer(max_epochs=1).fit(learner, view)
