"""Networks of images."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tlml.errors import TlmlError
from tlml.networks import (
    conv4,
    nature_cnn,
    resnet12,
)


@pytest.mark.parametrize(("side", "blocks", "size"), [(28, 4, 1), (14, 3, 1), (84, 4, 25)])
def test_conv4_halves_the_sides_and_rounds_down(side, blocks, size):
    network = conv4((1, side, side), 5, channels=2, blocks=blocks)
    assert network.eval().features(torch.zeros(2, 1, side, side)).shape == (2, 2 * size)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 6))
def test_conv4_is_built_exactly_where_its_poolings_fit(height, width, blocks):
    fits = min(height, width) >= 2**blocks
    try:
        network = conv4((1, height, width), 2, channels=1, blocks=blocks)
    except TlmlError:
        assert not fits
    else:
        assert fits
        assert network.eval()(torch.zeros(1, 1, height, width)).shape == (1, 2)


def test_resnet12_averages_over_whatever_image_is_left():
    network = resnet12((3, 16, 24), 5).eval()
    assert network.feature_size == 640
    assert network.features(torch.zeros(2, 3, 16, 24)).shape == (2, 640)
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert sum(m.kernel_size == (3, 3) for m in convolutions) == 12


def test_nature_cnn_is_the_network_of_the_paper():
    network = nature_cnn((4, 84, 84), 18)
    assert list(network.blocks) == ["conv1", "conv2", "conv3", "hidden"]
    assert (network.feature_size, network.blocks["hidden"].linear.in_features) == (512, 7 * 7 * 64)
    # Counted from the paper's extended data, table 1.
    assert sum(p.numel() for p in network.parameters()) == 1_693_362
    assert network(torch.zeros(2, 4, 84, 84)).shape == (2, 18)


def test_nature_cnn_starts_orthogonal_or_as_torch_draws():
    for layer in nature_cnn((1, 36, 36), 3).modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            rows = layer.weight.detach().flatten(1)
            rows = rows if len(rows) <= rows.shape[1] else rows.T
            assert torch.allclose(rows @ rows.T, 2 * torch.eye(len(rows)), atol=1e-4)
            assert not layer.bias.any()
    drawn = nature_cnn((1, 36, 36), 3, init="torch")
    assert drawn.head.bias.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_shape": (3, 36, 35)},
         r"network nature_cnn: its filters need images of at least 36 a side, these are "
         r"\[3, 36, 35\] \[channels, height, width\]; use larger images, or conv4"),
        ({"input_shape": (84, 84)}, r"needs inputs \[channels, height, width\], these are"),
        ({"init": "ortogonal"}, "no init is called 'ortogonal'; did you mean orthogonal"),
        ({"hidden": 0}, "hidden: must be a whole number of at least 1, is 0"),
    ],
)  # fmt: skip
def test_nature_cnn_says_what_does_not_fit(options, message):
    with pytest.raises(TlmlError, match=message):
        nature_cnn(**{"input_shape": (1, 40, 40), "outputs": 2, **options})
