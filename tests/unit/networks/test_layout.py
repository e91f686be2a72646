"""Where images and weights are laid out channels last."""

from __future__ import annotations

import pytest
import torch

from tlml.networks.layout import lay_out

WEIGHTS = {"conv": torch.randn(4, 3, 3, 3), "linear": torch.randn(4, 3)}


def last(tensor: torch.Tensor) -> bool:
    return tensor.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("side", "asked", "once", "expected"),
    [
        (8, None, False, True),
        (32, None, False, True),
        (33, None, False, False),  # large images that are differentiated twice
        (33, None, True, True),
        (33, True, False, True),
        (8, False, True, False),
    ],
)
def test_the_layout_goes_by_the_images_unless_it_is_asked_for(
    side: int, asked: bool | None, once: bool, expected: bool
) -> None:
    images = torch.randn(2, 3, side, side)
    params, x = lay_out(WEIGHTS, images, channels_last=asked, once=once)
    assert last(x) == last(params["conv"]) == expected
    assert params["linear"] is WEIGHTS["linear"]
    assert torch.equal(x, images) and torch.equal(params["conv"], WEIGHTS["conv"])


def test_all_but_images_stay_as_they_are() -> None:
    points = torch.randn(2, 3)
    params, x = lay_out(WEIGHTS, points, channels_last=True, once=True)
    assert x is points and params is WEIGHTS
