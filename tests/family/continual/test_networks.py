"""The network of La-MAML's authors for photographs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from gymnasium.spaces import Box, Discrete
from refusals import fails
from torch import nn

from tlml.networks import build_network, has_batchnorm

PATH = "tlml_continual.networks.StridedCnn"


def built(shape: tuple[int, ...] = (3, 32, 32), **options: Any) -> Any:
    return build_network(PATH, Box(0, 1, shape), Discrete(100), seed=0, options=options)


def test_it_has_the_layers_of_the_authors() -> None:
    network = built()
    shapes = [tuple(p.shape) for name, p in network.named_parameters() if name.endswith("weight")]
    # montrealrobotics/La-MAML, model/meta/modelfactory.py, pc_cnn for cifar100
    assert shapes == [
        (160, 3, 3, 3), (160, 160, 3, 3), (160, 160, 3, 3), (320, 2560), (320, 320), (100, 320)
    ]  # fmt: skip
    assert list(network.blocks) == ["conv1", "conv2", "conv3", "hidden1", "hidden2"]
    assert not has_batchnorm(network)


def test_tiny_imagenet_has_a_convolution_more() -> None:
    network = built((3, 64, 64), convolutions=4, hidden=[640, 640])
    assert network.blocks["hidden1"][1].in_features == 2560
    assert network(torch.rand(2, 3, 64, 64)).shape == (2, 100)


@pytest.mark.parametrize("side", [1, 5, 28, 33])
def test_images_of_any_size_fit(side: int) -> None:
    assert built((1, side, side), channels=2)(torch.rand(2, 1, side, side)).shape == (2, 100)


def test_signals_keep_their_size() -> None:
    features = built().features(torch.randn(50, 3, 32, 32))
    assert 0.3 < features.square().mean() < 3  # with torch's own weights it is below 0.01
    assert all(not layer.bias.any() for layer in built().modules() if isinstance(layer, nn.Linear))


def test_what_it_can_not_take_is_refused() -> None:
    with fails(
        "network StridedCnn: needs inputs [channels, height, width], these are [8]; take mlp, "
        "which flattens any input"
    ):
        built((8,))
    with fails("convolutions: must be a whole number of at least 1, is 0"):
        built(convolutions=0)
