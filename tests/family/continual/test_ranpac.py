"""RanPAC against one ridge regression on all data at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from refusals import fails
from tiny import MLP, Letters, Tables
from torch import Tensor
from torch.nn import functional as F
from trainers import quiet_trainer

import tlml
from tlml import StreamView
from tlml.data import Batch, Step
from tlml_continual.ranpac import RIDGES, ridge_errors


def learner(**options: Any) -> Any:
    made = tlml.learner("ranpac", **MLP, **{"projection": 20, **options})
    made.view(Letters(), ways=2)
    return made.double()


def examples(n: int) -> tuple[Tensor, Tensor]:
    x = torch.randn(n, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return x, torch.arange(n) % 6


def shown(made: Any, x: Tensor, y: Tensor, order: Tensor, size: int) -> Any:
    for rows in order.split(size):
        made.update(Step(Batch(x[rows], y[rows]), y[rows] // 2))
    made.consolidate(0)
    return made


def ridge_regression(h: Any, y: Any, ridge: float) -> Any:
    """Least squares of the examples and of √λ times every weight."""
    rows = np.concatenate([h, np.sqrt(ridge) * np.eye(h.shape[1])])
    targets = np.concatenate([y, np.zeros((h.shape[1], y.shape[1]))])
    return np.linalg.lstsq(rows, targets, rcond=None)[0]


@pytest.mark.parametrize("ridge", [0.01, 3.0])
def test_it_is_one_ridge_regression_on_all_data(ridge: float) -> None:
    x, y = examples(60)
    made = shown(learner(ridge=ridge), x, y, y.argsort(stable=True), 7)
    with torch.no_grad():
        h = np.maximum(made.network.features(x).numpy() @ made.directions.numpy(), 0)
    weights = ridge_regression(h, np.eye(6)[y.numpy()], ridge)
    np.testing.assert_allclose(made.weights.numpy(), weights, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(made.predict_now(x).numpy(), h @ weights, rtol=1e-8, atol=1e-10)


def test_two_orders_give_the_same_up_to_rounding() -> None:
    x, y = examples(60)
    one = shown(learner(ridge=0.1), x, y, y.argsort(stable=True), 10)
    mixed = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    other = shown(learner(ridge=0.1), x, y, mixed, 7)
    assert torch.equal(one.directions, other.directions)
    torch.testing.assert_close(one.weights, other.weights, rtol=1e-9, atol=1e-11)
    new = torch.randn(200, 2, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    assert torch.equal(one.predict_now(new).argmax(1), other.predict_now(new).argmax(1))


@pytest.mark.parametrize("n", [12, 40])
def test_errors_on_held_out_examples_are_those_of_each_ridge(n: int) -> None:
    rng = np.random.default_rng(n)
    h, held = rng.normal(size=(n, 20)), rng.normal(size=(9, 20))
    y, held_y = np.eye(3)[rng.integers(0, 3, n)], np.eye(3)[rng.integers(0, 3, 9)]
    found = ridge_errors(*map(torch.from_numpy, (h, y, held, held_y)))
    expected = [np.square(held @ ridge_regression(h, y, ridge) - held_y).mean() for ridge in RIDGES]
    assert found.tolist() == pytest.approx(expected, rel=1e-5)
    assert len(set(found.tolist())) == len(RIDGES)


@pytest.mark.parametrize("joint", [False, True])
def test_the_ridge_is_chosen_on_examples_of_the_task_that_are_held_out(joint: bool) -> None:
    made = learner()
    view = StreamView(Letters(), ways=2, joint=joint)
    made.current_view = lambda: view
    places = range(3) if joint else [1]
    parts = [view.learned_from(place) for place in places]
    x, y = torch.cat([p.x for p in parts]).double(), torch.cat([p.y for p in parts])
    made.update(Step(Batch(x, y), y // 2))
    torch.manual_seed(6)
    made.consolidate(1)
    torch.manual_seed(6)
    order = torch.randperm(len(x))
    held = round(0.2 * len(x))
    h, targets = made.projected(made.features(x)), F.one_hot(y, 6).double()
    own, other = order[held:], order[:held]
    errors = {
        ridge: np.square(
            h[other].numpy() @ ridge_regression(h[own].numpy(), targets[own].numpy(), ridge)
            - targets[other].numpy()
        ).mean()
        for ridge in RIDGES
    }
    best = min(errors, key=errors.__getitem__)
    expected = ridge_regression(h.numpy(), targets.numpy(), best)
    np.testing.assert_allclose(made.weights.numpy(), expected, rtol=1e-5, atol=1e-7)


def test_the_trainer_counts_batches_and_the_projection_is_of_the_seed() -> None:
    made = tlml.learner("ranpac", projection=20, seed=3, **MLP)
    view = made.view(Letters(), ways=2, batch_size=5, samples=10, epochs=2)
    assert torch.equal(made.directions, learner(seed=3).directions)
    assert not torch.equal(made.directions, learner(seed=4).directions)
    trainer = quiet_trainer(max_epochs=-1, limit_val_batches=0)
    trainer.fit(made, view)
    assert trainer.global_step == 3 * 2 * 2
    assert made.counts.sum() == 30
    assert bool((made.weights != 0).any())


def test_what_cannot_be_is_refused() -> None:
    with fails("projection: must be greater than 0, is 0"):
        learner(projection=0)
    with fails("held_out: must be above 0 and below 1, is 1.0"):
        learner(held_out=1.0)
    with fails("optimizer: ranpac takes no steps that it could be of; leave it out"):
        learner(optimizer="adam")
    with fails(
        "ranpac: it keeps something of each class, and the targets are values "
        "(Box(-inf, inf, (1,), float32)); take er, or a domain with classes"
    ):
        tlml.learner("ranpac", network="mlp").view(Tables())
