"""Perceptrons."""

from __future__ import annotations

import math

import pytest
import torch
from built import box
from gymnasium.spaces import Discrete

from tlml.networks import (
    build_network,
    fresh_parameters,
    mlp,
)


def test_the_default_mlp_is_the_sinusoid_network():
    network = build_network("mlp", box(1), box(1))
    shapes = [tuple(p.shape) for p in network.parameters()]
    assert shapes == [(40, 1), (40,), (40, 40), (40,), (1, 40), (1,)]
    linear = mlp((3,), 2, hidden=())
    assert [tuple(p.shape) for p in linear.parameters()] == [(2, 3), (2,)]


@pytest.mark.parametrize(("init", "variance"), [("torch", 1 / 3), ("he", 2)])
def test_weights_start_with_the_variance_that_init_names(init, variance):
    options = {"hidden": [200, 100], "init": init}
    network = build_network("mlp", box(100), Discrete(50), 3, options)
    for parameters in (dict(network.named_parameters()), fresh_parameters(network, 4)):
        for name, p in parameters.items():
            if name.endswith("weight"):
                assert p.std().item() == pytest.approx(math.sqrt(variance / p.shape[1]), rel=0.05)
            else:
                assert bool(p.any()) == (init == "torch")


def test_drawn_weights_are_a_function_of_the_seed():
    one, same, other = (
        torch.cat([p.flatten() for p in build_network(
            "mlp", box(3), box(1), seed, {"init": "he"}
        ).parameters()])
        for seed in (0, 0, 1)
    )  # fmt: skip
    assert torch.equal(one, same) and not torch.equal(one, other)
