"""Synaptic intelligence against explicit sums along the way."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from continual_steps import descend, flat, learner, move, step
from refusals import fails
from torch import Tensor
from torch.nn import functional as F

import tlml


def slope(made: Any, own: Any) -> Tensor:
    loss = F.mse_loss(made.network(own.batch.x), own.batch.y)
    return flat(torch.autograd.grad(loss, list(made.network.parameters())))


def walk(made: Any, task: int, steps: int = 4) -> Tensor:
    """Take steps, and return −Σ g Δθ with g the gradient of the loss alone."""
    total = torch.zeros_like(made.anchor)
    for number in range(steps):
        own = step(10 * task + number)
        here, own_slope = flat(made.network.parameters()), slope(made, own)
        descend(made, own)
        total -= own_slope * (flat(made.network.parameters()) - here)
    return total


def test_importance_is_the_path_integral_over_the_squared_way() -> None:
    made = learner("si", strength=0.8, damping=0.05)
    right = torch.zeros_like(made.anchor)
    for task in range(3):
        start = flat(made.network.parameters())
        omega = walk(made, task)
        way = flat(made.network.parameters()) - start
        right = (right + omega / (way.square() + 0.05)).clamp(min=0)
        made.consolidate(task)
        torch.testing.assert_close(made.importance, right, rtol=1e-9, atol=1e-13)
        assert torch.equal(made.anchor, start + way)
    assert bool((right > 0).all())


def test_what_raised_the_loss_does_not_count() -> None:
    """Steps up the loss: every path integral is negative."""
    made = learner("si")
    for _ in range(2):
        descend(made, step(0), lr=-0.1)
    made.consolidate(0)
    assert float(made.importance.max()) == 0


def test_weights_that_came_after_the_network_was_built_are_where_it_begins() -> None:
    made, other = learner("si"), learner("si")
    move(made, 1.5)
    start = flat(made.network.parameters())
    omega = walk(made, 0)
    way = flat(made.network.parameters()) - start
    made.consolidate(0)
    right = (omega / (way.square() + made.damping)).clamp(min=0)
    torch.testing.assert_close(made.importance, right, rtol=1e-9, atol=1e-13)
    assert not torch.equal(start, other.anchor)


def test_the_loss_has_the_weighted_distance() -> None:
    made, own = learner("si", strength=0.4), step(1)
    plain = F.mse_loss(made.network(own.batch.x), own.batch.y)
    assert made.glance_loss(own) == plain
    made.importance.fill_(2)
    start = flat(made.network.parameters())
    move(made, 1.3)
    right = float(F.mse_loss(made.network(own.batch.x), own.batch.y).detach())
    right += 0.4 * 2 * float((flat(made.network.parameters()) - start).square().sum())
    assert made.glance_loss(own).item() == pytest.approx(right, rel=1e-12)


def test_a_parameter_that_the_loss_does_not_reach_counts_nothing() -> None:
    made = learner("si")
    made.network[2].bias.requires_grad_(False)
    made.zero_grad()
    made.glance_loss(step(0)).backward()
    made.on_before_optimizer_step(None)
    assert made.slope[-1] == 0
    assert bool((made.slope[:-1] != 0).any())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"damping": 0}, "damping: must be greater than 0, is 0"),
        ({"strength": -1}, "strength: must be at least 0, is -1"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with fails(message):
        tlml.learner("si", **options)
