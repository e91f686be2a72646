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
