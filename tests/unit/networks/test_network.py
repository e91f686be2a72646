"""Blocks and head: what a network is made of, and how its parts are found."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from built import CASES, LINEAR, Headed, build, message
from gymnasium.spaces import Box, Discrete
from torch import nn

from tlml.networks import (
    Network,
    build_network,
    conv4,
    head_name,
    head_parameters,
    mlp,
)


@pytest.mark.parametrize("name", CASES)
def test_blocks_make_flat_features_and_the_head_scores(name):
    network, shape = build(name), CASES[name][0]
    x = torch.randn(5, *shape)
    features = network.eval().features(x)
    assert features.shape == (5, network.feature_size)
    assert torch.equal(network(x), network.head(features))
    assert network(x).shape == (5, 3)
    assert network(x[:0]).shape == (0, 3)
    value = x
    for block in network.blocks.values():
        value = block(value)
    assert torch.equal(value.flatten(1), features)


def test_integer_inputs_are_cast_to_the_parameters_type():
    network = build_network("mlp", Box(0, 255, (3,), np.uint8), Discrete(2)).double()
    x = torch.randint(255, (4, 3), dtype=torch.uint8)
    assert torch.equal(network(x), network(x.double()))


def test_parameters_are_named_by_block_in_order():
    names = [name for name, _ in conv4((1, 8, 8), 2, channels=2, blocks=2).named_parameters()]
    block = ["conv.weight", "norm.weight", "norm.bias"]
    expected = [f"blocks.conv{i}.{name}" for i in (1, 2) for name in block]
    assert names == [*expected, "head.weight", "head.bias"]


def test_feature_size_is_what_the_first_layer_of_the_head_takes():
    head = nn.Sequential(nn.Dropout(), nn.Linear(7, 3), nn.Linear(3, 2))
    assert Network({}, head).feature_size == 7
    assert message(lambda: Network({}, nn.Identity()).feature_size) == (
        "feature_size: no module of the head Identity has in_features; "
        "make its first layer an nn.Linear"
    )


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (mlp((2,), 3), "head"),
        (Headed(fc=LINEAR, other=LINEAR), "fc"),
        (Headed(classifier=nn.Sequential(nn.Linear(2, 2), LINEAR)), "classifier"),
        (Headed(head=nn.Identity(), last=nn.Sequential(LINEAR, nn.ReLU())), "last.0"),
        (nn.Sequential(nn.Linear(2, 2), nn.ReLU(), LINEAR, nn.Softmax(-1)), "2"),
        (LINEAR, ""),
    ],
)
def test_the_head_is_found(network, expected):
    assert head_name(network) == expected
    names = [name for name, _ in network.named_parameters()]
    inside = [name for name in names if not expected or name.startswith(expected + ".")]
    assert list(head_parameters(network)) == inside != []


def test_no_head_is_an_error_that_says_what_to_do():
    assert message(head_name, nn.Sequential(nn.Conv2d(1, 1, 1))) == (
        "Sequential: no head found; name its last layer 'head', or make that an nn.Linear"
    )
