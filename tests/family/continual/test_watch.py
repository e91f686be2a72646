"""What is watched of a stream: cosines of gradients and learned rates."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from tiny import Tables
from torch import nn
from torch.nn import functional as F

import tlml
from tlml import Batch, Step
from tlml_continual.base.watch import _of_rates, cosine_between, gradient_on


def learner(network: nn.Module) -> Any:
    made = tlml.learner("naive", network=network)
    made.view(Tables())
    return made.double()


def step(seed: int) -> Step:
    x = torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return Step(Batch(x, x.sum(1, keepdim=True).cos()), torch.zeros(5, dtype=torch.int64))


def test_a_gradient_is_that_of_the_mean_loss_by_all_parameters() -> None:
    made, own = learner(nn.Linear(2, 1)), step(0)
    error = (made.network(own.batch.x) - own.batch.y).detach()
    by_weight = (2 * error * own.batch.x).mean(0)
    expected = torch.cat([by_weight, 2 * error.mean(0)])
    torch.testing.assert_close(gradient_on(made, own), expected)


def test_looking_changes_nothing() -> None:
    network = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))
    made = learner(network).train()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    random = torch.get_rng_state()
    gradient_on(made, step(0))
    assert torch.equal(torch.get_rng_state(), random)
    assert all(module.training for module in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())
    for name, value in made.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_frozen_parameters_have_no_part() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    made = learner(network)
    assert len(gradient_on(made, step(0))) == 9 + 4
    network[0].requires_grad_(False)
    assert len(gradient_on(made, step(0))) == 4
    network.requires_grad_(False)
    assert len(gradient_on(made, step(0))) == 0


def test_the_cosine_is_of_the_angle() -> None:
    one = torch.tensor([1.0, 0.0])
    assert cosine_between(one, torch.tensor([3.0, 3.0])) == pytest.approx(math.sqrt(0.5))
    assert cosine_between(one, torch.tensor([-2.0, 0.0])) == pytest.approx(-1.0)
    assert cosine_between(one, torch.zeros(2)) is None
    assert cosine_between(torch.zeros(0), torch.zeros(0)) is None


def test_the_same_examples_are_aligned_and_opposite_targets_are_not() -> None:
    made, own = learner(nn.Linear(2, 1)), step(0)
    nn.init.zeros_(made.network.weight)
    nn.init.zeros_(made.network.bias)
    other = Step(Batch(own.batch.x, -own.batch.y), own.task)
    slope = gradient_on(made, own)
    assert cosine_between(slope, slope) == pytest.approx(1.0)
    assert cosine_between(slope, gradient_on(made, other)) == pytest.approx(-1.0)
    assert F.mse_loss(made.network(own.batch.x), own.batch.y) > 0


def test_rates_are_told_by_layer_and_the_frozen_ones_of_all() -> None:
    rates = {
        "body.weight": torch.tensor([[0.1, -0.2, 0.4], [0.0, 0.3, 0.6]]),
        "bias": torch.ones(2),
    }
    told = _of_rates(rates)
    assert told.pop("alpha/frozen") == pytest.approx(2 / 8)
    values = rates["body.weight"].flatten().numpy()
    assert told["alpha/body.weight/mean"] == pytest.approx(values.mean())
    for share in (10, 50, 90):
        expected = np.percentile(values, share)
        assert told[f"alpha/body.weight/q{share}"] == pytest.approx(expected, abs=1e-6)
        assert told[f"alpha/bias/q{share}"] == 1.0
    assert len(told) == 8


@pytest.mark.parametrize("alpha", [None, 0.5, {}])
def test_who_has_no_rates_tells_none(alpha: Any) -> None:
    """DER++'s α is a number: a weight in its loss."""
    assert _of_rates(alpha) == {}
